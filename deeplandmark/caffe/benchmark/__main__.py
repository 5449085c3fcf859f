"""`python -m deeplandmark.caffe.benchmark`: the same as `deeplandmark caffe benchmark`."""
import argparse
import sys

from deeplandmark.caffe.benchmark.table import benchmark
from deeplandmark.caffe.errors import CaffeError


def main():
    parser = argparse.ArgumentParser(prog="python -m deeplandmark.caffe.benchmark", description=benchmark.__doc__)
    run = benchmark(parser)
    try:
        run(parser.parse_args())
    except CaffeError as error:
        sys.exit(f"benchmark: {error}")


if __name__ == "__main__":
    main()
