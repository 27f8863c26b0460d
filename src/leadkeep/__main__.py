"""`python -m leadkeep`: the same as the command `leadkeep`."""

from leadkeep.cli import main

if __name__ == "__main__":
    main(prog_name="leadkeep")
