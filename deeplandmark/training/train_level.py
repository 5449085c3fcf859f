"""Trains a level to its end: every network, as many processes as asked for, restarts included."""
import os
import queue
import time
from dataclasses import replace
from functools import partial
from multiprocessing import get_context

from deeplandmark.training.collapse import stuck
from deeplandmark.training.network_training import Folders, TrainingError, new_trainings, stacks
from deeplandmark.training.stack_worker import train_stack
from deeplandmark.training.together import each_rank, train_together, whole_networks
from deeplandmark.work.cores import cores
from deeplandmark.work.processes import single_threaded_children
from deeplandmark.work.progress import Progress
from deeplandmark.work.torchrun import local_count


def train_level(settings, level, folders=Folders(), names=None, jobs=None, device="cpu", precision="float32",
                say=print, ranks=None, share="auto"):
    """Trains every network of a level that is not yet trained, and puts the results into the model folder.

    Parameters
    ----------
    settings : ModelSettings
    level : int
    folders : Folders
    names : list of str, optional
        Only these networks (1_F, 2_LE1 ...).
    jobs : int, optional
        Processes at a time, for each rank; by default one for each of its cores, or one on a GPU.
    precision : str
        float32 or bfloat16: of the maps; networks that cannot train as a stack use float32.
    say : callable (str)
        Told of restarts.
    ranks, share : Ranks and str, optional
        Which help, this being the first of them, and in which `way` (see `whole_networks`).

    Returns
    -------
    dict of name -> test error as a fraction of that of a constant answer, held-back faces

    Raises
    ------
    TrainingError
    """
    _check_device(device)
    run = partial(_round, level=level, jobs=jobs, how=(device, precision), say=say, ranks=ranks, share=share)
    errors, trained = {}, False
    for turn in range(1, 1 + max(network.turns for network in settings.of_level(level))):
        trainings, anew = _train_turn(partial(new_trainings, settings, level, folders, names, turn), run, say)
        trained = trained or anew
        for training in trainings:
            if training.makes_the_network:
                training.publish_deploy()
                errors[training.name] = training.state.error
    _describe(settings, level, folders.model, trained)
    return errors


def _train_turn(new, run, say):
    """Trains what `new`, () -> list of NetworkTraining, finds until all is done, by `run`, which trains a list of them:
    (them, whether there was something to do)."""
    trained = False
    while True:
        trainings = new()
        for training in trainings:
            training.begin()
        if todo := [training for training in trainings if not training.state.done]:
            trained = True
            run(todo)
            continue
        errors = {training.name: training.state.error for training in trainings}
        again = [training for training in trainings
                 if training.name in stuck(errors) and training.state.attempt == 0]
        if not again:
            return trainings, trained
        for training in again:
            say(f"{training.name} is stuck: its loss is far above that of its siblings; trained again with another "
                "seed")
            training.restart("stuck")


def _describe(settings, level, folder, trained):
    """Writes what the folder's networks are: the rows of this level as they are now, those of others as they were when
    these were trained; what was fitted to them stays only where nothing has changed."""
    if type(settings).is_in(folder):
        before = type(settings).load(folder)
        rows = {network.full_name: network for network in before.networks if network.level != level}
        settings = replace(settings, networks=tuple(rows.get(network.full_name, network)
                                                    for network in settings.networks))
        if not trained and settings == replace(before, **{name: getattr(settings, name) for name in settings.FITTED}):
            return
    settings.save(folder)


def _check_device(device):
    """Refuses a device that torch does not know or this machine does not have, before any process is started."""
    import torch  # only training needs it
    try:
        kind = torch.device(device).type
    except RuntimeError:
        raise TrainingError(f"device {device!r} is unknown; cpu or cuda") from None
    if kind == "cuda" and not torch.cuda.is_available():
        raise TrainingError(f"device {device!r}: torch finds no GPU on this machine")


def _round(todo, level, jobs, how, say, ranks, share):
    """Trains what is left to do, in the way that there is; `how` is (device, precision)."""
    own = max(1, cores() // local_count())
    jobs = jobs or (own if how[0] == "cpu" else 1)
    alone = *how, max(1, own // jobs)
    if ranks is None:
        _run(todo, level, jobs, alone, say)
    elif whole_networks(share, todo, ranks.count):
        todo.sort(key=lambda training: training.structure())     # each rank gets as many of each
        each_rank(ranks, _run, [todo[rank::ranks.count] for rank in range(ranks.count)], level, jobs, alone)
    else:
        _run_by_all(todo, level, (*how, own), say, ranks)


def _run_by_all(todo, level, how, say, ranks):
    """One round, in which all ranks train every network."""
    progress, done = _progress(todo, level)

    def advance(name, iteration):
        done[name] = iteration
        progress.reach(sum(done.values()))
    for stack in stacks(todo, 1):
        for training, outcome in zip(stack, train_together(ranks, stack, *how, advance)):
            _take(training, outcome, say)
    progress.clear()


def _progress(todo, level):
    """A Progress, and how far each network is: {name: iterations}."""
    done = {training.name: training.iteration() for training in todo}
    return Progress(f"iterations of {len(todo)} networks", sum(t.solver_param().max_iter for t in todo),
                    f"level {level}", sum(done.values())), done


def _run(todo, level, jobs, how, say=print):
    """One round: trains what is left to do, and restarts what failed; `how` is (device, precision, threads)."""
    by_name = {training.name: training for training in todo}
    waiting = stacks(todo, jobs)
    progress, done = _progress(todo, level)

    def advance(name, iteration):
        done[name] = iteration
        progress.reach(sum(done.values()))
    context, running = get_context("spawn"), []
    messages = context.Queue()
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                running.append(_start(context, waiting.pop(0), how, messages))
            for outcome in _receive(messages, advance):
                _take(by_name[outcome.name], outcome, say)
            running = [process for process in running if not _has_ended(process, messages)]
        for outcome in _receive(messages, advance):
            _take(by_name[outcome.name], outcome, say)
    finally:
        for process in running:
            process.terminate()
        progress.clear()


def _start(context, stack, how, messages):
    process = context.Process(target=train_stack, args=(stack, *how, messages, os.getpid()), daemon=True,
                              name=", ".join(training.name for training in stack))
    with single_threaded_children(how[-1]):
        process.start()
    return process


def _receive(messages, advance, wait=0.5):
    """Outcomes that have arrived; `advance` is told of a network's iterations."""
    outcomes, end = [], time.monotonic() + wait
    while time.monotonic() < end:
        try:
            kind, *content = messages.get(timeout=wait)
        except queue.Empty:
            break
        if kind == "failed":
            raise TrainingError(content[0])
        if kind == "done":
            outcomes += content[0]
        else:
            advance(*content)
    return outcomes


def _has_ended(process, messages):
    if process.is_alive():
        return False
    if process.exitcode:
        raise TrainingError(f"the process training {process.name} ended with status {process.exitcode}; what it wrote "
                            "last is above, and its snapshots are kept")
    return True


def _take(training, outcome, say):
    if outcome.reason:
        say(f"{training.name} {outcome.reason}; trained again with another seed")
        training.restart(outcome.reason)
    else:
        training.state.error = outcome.error
        training.finish()
