"""Every experiment, in the order in which they are told of."""

from tests.faults.experiments import (
    abuse,
    clock_jumps,
    crash_images,
    destinations,
    io_errors,
    kills,
    power_cuts,
    store_troubles,
    upgrades,
)

EXPERIMENTS = (
    kills.EXPERIMENT,
    power_cuts.EXPERIMENT,
    io_errors.EXPERIMENT,
    crash_images.EXPERIMENT,
    clock_jumps.EXPERIMENT,
    store_troubles.EXPERIMENT,
    upgrades.EXPERIMENT,
    abuse.EXPERIMENT,
    destinations.EXPERIMENT,
)
