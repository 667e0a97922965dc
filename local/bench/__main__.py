"""`python -m local.bench`: measures the demo; `python -m local.bench workloads 10 100`: that many workloads."""

import argparse
import sys

from local.bench import demo, workloads


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m local.bench", description=__doc__)
    what = parser.add_subparsers(dest="what", metavar="WHAT")
    what.add_parser("demo", help="the demo, taken apart (default)")
    many = what.add_parser("workloads", help="workloads by PodIdentities, and the same resources written flat")
    many.add_argument("numbers", nargs="*", type=int, default=[10, 100, 300, 1000], help="how many workloads")
    many.add_argument("--save-each-change", action="store_true", help="save the state as Pulumi does by default")
    arguments = parser.parse_args(argv)
    if arguments.what == "workloads":
        return workloads.main(arguments.numbers, save_each_change=arguments.save_each_change)
    return demo.main()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
