"""The plugin's executable: serves the engine whose address is the first argument, prints the port it listens on."""

import sys

from pulumi.provider import main

from .provider import EksProvider

if __name__ == "__main__":
    main(EksProvider(), sys.argv[1:])
