"""Run the command line by ``python -m gateway``."""

from gateway.program import main

if __name__ == "__main__":
    main()
