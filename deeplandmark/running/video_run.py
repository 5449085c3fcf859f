"""Videos and cameras from the first frame to the last: rows, and a video with the points drawn."""

from deeplandmark.faces.draw import draw_faces
from deeplandmark.faces.errors import FacesError
from deeplandmark.running.faces_in_picture import Located
from deeplandmark.running.tracking import FaceTracker
from deeplandmark.running.video import VideoReader, VideoWriter, Window
from deeplandmark.work.progress import Progress


class VideoRun:
    """Works through videos and cameras, frame by frame.

    Parameters
    ----------
    finder : FaceFinder
    rows : list of RowFile or RowStream
    every : int
        Only each such frame; the drawn video has as many frames a second less.
    steady : bool
        Whether points are filtered.
    """

    def __init__(self, finder, rows, every=1, steady=True):
        self.finder, self.rows, self.every, self.steady = finder, rows, every, steady

    def file(self, path, drawn, progress):
        """Works through a video file.

        Parameters
        ----------
        path : str
        drawn : path or None
            Of the .mp4 to write.
        progress : Progress
            Of the whole run, above which the frames a second are said.

        Returns
        -------
        Located
            Of the frame with most faces, or with what is wrong.
        """
        if self.finder.boxes is not None:
            return Located(path, problem=f"{path}: boxes are given for pictures, not for a video")
        try:
            reader = VideoReader(path, self.every)
        except FacesError as error:
            return Located(path, problem=str(error))
        frames, most = self._frames(path, reader, drawn)
        for rows in self.rows:
            rows.end(path)
        progress.say(f"{path}: {frames.done:,} frames, {frames.per_second:.1f} a second")
        return most

    def camera(self, number, drawn):
        """Shows a camera's picture, where there is a screen, until Ctrl-C, q or Escape.

        Parameters
        ----------
        number : int
        drawn : path or None
            Of the .mp4 to write.

        Returns
        -------
        Progress
            Of the frames.

        Raises
        ------
        PictureError
            When there is no such camera.
        """
        name, window = f"camera {number}", Window(f"camera {number}")
        reader = VideoReader(number, self.every)
        return self._frames(name, reader, drawn, window)[0]

    def _frames(self, path, reader, drawn, window=None):
        progress = Progress("frames", reader.count)
        writer = None if drawn is None else VideoWriter(drawn, reader.rate)
        most = None
        try:
            for located in self._located(path, reader, writer, window):
                most = located if most is None or len(located.boxes) > len(most.boxes) else most
                progress.step()
        except BaseException as error:
            # Ctrl-C is how a camera ends; anything else leaves nothing half done.
            if window is None or not isinstance(error, KeyboardInterrupt):
                if writer is not None:
                    writer.drop()
                raise
        finally:
            progress.clear()
            reader.close()
        if writer is not None:
            writer.finish()
        return progress, most

    def _located(self, path, reader, writer, window):
        """Every frame's `Located`, once it is written and shown."""
        tracker = FaceTracker(self.finder, reader.rate, self.steady)
        for number, time, image in reader:
            located = tracker.locate(path, image, time)
            self._take(located, number, writer, window)
            yield located
            if window is not None and window.closed:
                return

    def _take(self, located, number, writer, window):
        for rows in self.rows:
            rows.write(located, number)
        if writer is None and window is None:
            return
        image = draw_faces(located.image, located.points, located.boxes, self.finder.system.points.lines, located.pose)
        if writer is not None:
            writer.write(image, located.time)
        if window is not None:
            window.show(image)
