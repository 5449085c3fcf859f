"""Find faces and their points in pictures, folders, videos or a camera's picture.

examples:
  deeplandmark detect photo.jpg --out drawn
  deeplandmark detect pictures --json faces.jsonl --resume
  deeplandmark detect photo.jpg --boxes 84,92,161,169 --json -
  deeplandmark detect film.mp4 --csv points.csv --out drawn
  deeplandmark detect pictures --pose --csv poses.csv --out drawn
  deeplandmark detect --camera 0
"""

import sys
from contextlib import nullcontext
from dataclasses import replace

from deeplandmark.commandline.arguments import whole_number
from deeplandmark.commandline.command import command, when_interrupted
from deeplandmark.commandline.finder_arguments import add_finder_arguments, load_finder, with_boxes_joined
from deeplandmark.commandline.parser import command_parser
from deeplandmark.commandline.telling import LOG
from deeplandmark.faces.draw import draw_faces
from deeplandmark.running.batch import count_sources, work_through
from deeplandmark.running.result_folder import ResultFolder
from deeplandmark.running.row_file import RowStream, can_go_on, finished, rows_to
from deeplandmark.running.rows import CSV, CSV_WITH_POSE, JSON_LINES
from deeplandmark.running.sources import sources
from deeplandmark.running.video_run import VideoRun


@command(strangers_models=True)
def main(arguments=None):
    """Returns the exit status: 1 when a file was bad or the run could not go on, 130 after Ctrl-C."""
    parser = _parser()
    options = parser.parse_args(with_boxes_joined(arguments))
    _check(parser, options)
    go_on = when_interrupted("the same command with --resume goes on") if _can_resume(options) else nullcontext()
    with go_on:
        return _run(options)


def _run(options):
    folder = None if options.out is None else ResultFolder(options.out, options.pictures)
    finder = load_finder(options)
    with finished(_row_files(options, len(finder.system.points))) as row_files:
        videos = VideoRun(finder, row_files, options.every, not options.raw)
        if options.camera is not None:
            return _camera(options, videos, folder)
        return _files(options, finder, row_files, videos, folder)


def _files(options, finder, row_files, videos, folder):
    def read(paths):
        for located in finder.read(paths):
            if folder is not None and located.problem is None:
                drawn = draw_faces(located.image, located.points, located.boxes, finder.system.points.lines,
                                   located.pose)
                folder.write(folder.path_of(located.path), drawn)
            yield replace(located, image=None)

    def take(located):
        for rows in row_files:
            rows.write(located)

    def is_done(source):
        if not options.resume:
            return False
        if not row_files:
            return folder.path_of(source.path).exists()
        return all(rows.is_done(source.path) for rows in row_files)

    def take_video(source, progress):
        return videos.file(source.path, None if folder is None else folder.path_of(source.path), progress)

    named = options.pictures, options.out
    total = count_sources(*named, "detect")
    summary = work_through(sources(*named), total, read, take, options.threads, "detect", is_done, take_video)
    return 1 if summary.bad else 0


def _camera(options, videos, folder):
    drawn = None if folder is None else folder.path_of(f"camera{options.camera}.mp4")
    frames = videos.camera(options.camera, drawn)
    LOG.info("detect: %s frames, %.1f a second", f"{frames.done:,}", frames.per_second)
    return 0


def _row_files(options, points):
    """Where rows go, opened as they are asked for: the files that were named, or stdout when nothing was."""
    if not (options.json or options.csv or options.out or options.camera is not None):
        return [RowStream(JSON_LINES, points)]
    named = [(options.json, JSON_LINES), (options.csv, CSV_WITH_POSE if options.pose else CSV)]
    return (rows_to(name, layout, points, options.resume) for name, layout in named if name)


def _check(parser, options):
    if bool(options.pictures) == (options.camera is not None):
        parser.error("name pictures, folders or videos, or a --camera")
    if options.boxes and options.boxes_file:
        parser.error("--boxes or --boxes-file, not both")
    if options.json == options.csv == "-":
        parser.error("only one of --json and --csv can go to stdout")
    if options.resume and not _can_resume(options):
        parser.error("--resume needs --json FILE, --csv FILE or --out DIR to go on with, and none of them on stdout, a "
                     "device or a pipe")


def _can_resume(options):
    files = [name for name in (options.json, options.csv) if name]
    return options.camera is None and all(map(can_go_on, files)) and bool(files or options.out)


def _parser():
    parser = command_parser("detect", __doc__)
    parser.add_argument("pictures", nargs="*", metavar="PICTURE", help="picture, video, folder of pictures, or glob")
    parser.add_argument("--camera", type=whole_number(), metavar="N", help="look at camera N instead (0 is the first)")
    add_finder_arguments(parser)
    parser.add_argument("--json", metavar="FILE", help="one JSON object a face and line; - is stdout, and the default "
                        "when neither --csv nor --out is given")
    parser.add_argument("--csv", metavar="FILE", help="the same as a table; - is stdout")
    parser.add_argument("--out", metavar="DIR", help="pictures and videos with boxes and points drawn go there")
    parser.add_argument("--resume", action="store_true", help="go on where a run with the same files was stopped")
    parser.add_argument("--every", type=whole_number(1), default=1, metavar="N", help="only each Nth frame of a video")
    parser.add_argument("--raw", action="store_true", help="do not steady the points of a video")
    return parser


if __name__ == "__main__":
    sys.exit(main())
