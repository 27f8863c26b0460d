"""Every experiment, in the order in which they are told of."""

from tests.faults.experiments import (
    abuse,
    clock_jumps,
    crash_images,
    destinations,
    full_disks,
    io_errors,
    kills,
    power_cuts,
    recovery,
    slow_disks,
    store_troubles,
    upgrades,
)

EXPERIMENTS = (
    kills.EXPERIMENT,
    power_cuts.EXPERIMENT,
    io_errors.EXPERIMENT,
    full_disks.EXPERIMENT,
    slow_disks.EXPERIMENT,
    crash_images.EXPERIMENT,
    clock_jumps.EXPERIMENT,
    store_troubles.EXPERIMENT,
    recovery.EXPERIMENT,
    upgrades.EXPERIMENT,
    abuse.EXPERIMENT,
    destinations.EXPERIMENT,
)
