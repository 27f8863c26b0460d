"""What a payload is read as, and how far."""

Tree = dict[str, "Tree"] | list["Tree"] | str | int | float | bool | None
"""Keys and values, whatever the format; None: nothing."""

READ_BYTES = 256 * 1024
"""A larger payload is read this far: enough for every lead, little work for a hostile one."""
