"""`deeplandmark caffe train|test|time|device_query`: the `caffe` program; and the tools beside it."""

import sys

from deeplandmark.caffe.tools.program import main

if __name__ == "__main__":
    sys.exit(main())
