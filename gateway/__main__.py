"""Lets ``python -m gateway`` reach the command line."""

from gateway.house import main

if __name__ == "__main__":
    main()
