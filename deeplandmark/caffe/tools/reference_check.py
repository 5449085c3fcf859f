"""This package beside numbers of BVLC Caffe 1.0 (deeplandmark/caffe/checking/reference_check.py does the work)."""
from deeplandmark.caffe.errors import CaffeError


def reference_check(parser):
    """Check this package against numbers recorded with BVLC Caffe 1.0.

    A table is printed, a line for each type: number of cases, worst error forward and backward.
    Solvers show the errors of losses and of weights, fillers one error in units of its tolerance. The exit status is 1
    when something is out of tolerance or cannot be run.
    """
    parser.add_argument("folder", metavar="FOLDER", help="reference folder with layers, fillers and solvers")

    def run(options):
        from deeplandmark.caffe.checking.reference_check import check, table
        try:
            results = list(check(options.folder))
        except (ValueError, KeyError) as error:                  # what a damaged index.json gives
            raise CaffeError(str(error)) from None
        print("\n".join(table(results)))
        wrong = [result for result in results if not result.ok]
        for result in wrong:
            reason = result.refusal or f"forward {result.forward:.1e}, backward {result.backward or 0:.1e}, " \
                                       f"limits {result.limits[0]:g} and {result.limits[1]:g}"
            print(f"{result.type} {result.case}: {reason}")
        missing = sum(bool(result.missing) for result in results)
        print(f"{len(results)} cases, {len(wrong)} out of tolerance, {missing} with a missing type")
        return 1 if wrong else 0
    return run
