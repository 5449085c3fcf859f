"""`deeplandmark caffe VERB|TOOL ...`: the `caffe` program and the tools beside it."""

import sys

from deeplandmark.caffe.tools.command_line import main

if __name__ == "__main__":
    sys.exit(main())
