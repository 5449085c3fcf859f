"""A drawing of a net (python/draw_net.py)."""
from deeplandmark.caffe.proto import caffe_pb2


def draw_net(parser):
    """Draw a net as .svg, .png or .dot; in other formats by the program dot."""
    from deeplandmark.caffe.draw import RANK_DIRECTIONS
    parser.add_argument("model", metavar="IN", help="prototxt of a net")
    parser.add_argument("output", metavar="OUT", help="picture to write; its extension says the format")
    parser.add_argument("--rankdir", choices=RANK_DIRECTIONS, default="LR",
                        help="direction: LR left to right (default), RL, TB top to bottom, BT")
    parser.add_argument("--phase", choices=["TRAIN", "TEST", "ALL"], type=str.upper, default="ALL",
                        help="layers of one phase; default all")
    parser.add_argument("--display_lrm", action="store_true", help="write lr_mult into the layers")

    def run(options):
        from deeplandmark.caffe.draw import draw_net_to_file
        from deeplandmark.caffe.files.prototxt import read_net
        phase = None if options.phase == "ALL" else getattr(caffe_pb2, options.phase)
        draw_net_to_file(read_net(options.model), options.output, options.rankdir, phase, options.display_lrm)
        print(f"Drawing net to {options.output}")
    return run
