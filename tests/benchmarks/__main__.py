"""`python -m tests.benchmarks`: see `command`."""

import sys

if __name__ == "__main__":  # the processes of a rebuild import this file, and must not read all that is measured
    from tests.benchmarks.command import main, read_arguments

    try:
        asked = read_arguments(sys.argv[1:])
    except ValueError as error:
        sys.exit(str(error))
    sys.exit(main(asked))
