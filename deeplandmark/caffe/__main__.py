"""`python -m deeplandmark.caffe train|test|time|device_query`: the `caffe` program; and the tools beside it."""

import sys

from deeplandmark.caffe.commands import main

if __name__ == "__main__":
    sys.exit(main())
