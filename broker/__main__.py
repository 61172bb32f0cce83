"""`python -m broker` and the `broker` console script."""

from broker.cli.main import main

if __name__ == "__main__":
    main()
