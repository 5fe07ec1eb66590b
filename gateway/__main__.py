"""Run the command line by ``python -m gateway``."""

from gateway.house import main

if __name__ == "__main__":
    main()
