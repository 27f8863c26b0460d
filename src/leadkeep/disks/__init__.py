"""Room on the disks: how much there is, how much must stay, and a ballast to throw off in need."""
