"""`python -m deeplandmark.caffe.benchmark`: the same as `deeplandmark caffe benchmark`."""
import sys

from deeplandmark.caffe.tools.command_line import main

if __name__ == "__main__":
    sys.exit(main(["benchmark", *sys.argv[1:]]))
