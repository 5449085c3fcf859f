# As BVLC's python/train.py trains on several GPUs: a process each, one NCCL between them.
import sys
from multiprocessing import Process

import deeplandmark.caffe as caffe


def train(solver, snapshot, gpus):
    uid = caffe.NCCL.new_uid()
    caffe.init_log(0, True)
    caffe.log('Using devices %s' % str(gpus))
    procs = []
    for rank in range(len(gpus)):
        p = Process(target=solve, args=(solver, snapshot, gpus, uid, rank))
        p.daemon = True
        p.start()
        procs.append(p)
    for p in procs:
        p.join()
    return max(p.exitcode for p in procs)


def time(solver, nccl):
    fprop = [caffe.Timer() for _ in solver.net.layers]
    total, allrd = caffe.Timer(), caffe.Timer()

    def show_time():
        if solver.iter % 100 == 0:
            caffe.log('solver total: %.2f' % total.ms)
            caffe.log('allreduce: %.2f' % allrd.ms)

    solver.net.before_forward(lambda layer: fprop[layer].start())
    solver.net.after_forward(lambda layer: fprop[layer].stop())
    solver.add_callback(lambda: total.start(), lambda: (total.stop(), allrd.start()))
    solver.add_callback(nccl)
    solver.add_callback(lambda: '', lambda: (allrd.stop(), show_time()))


def solve(proto, snapshot, gpus, uid, rank):
    caffe.set_mode_cpu()
    caffe.set_device(gpus[rank])
    caffe.set_solver_count(len(gpus))
    caffe.set_solver_rank(rank)
    caffe.set_multiprocess(True)

    solver = caffe.SGDSolver(proto)
    if snapshot and len(snapshot) != 0:
        solver.restore(snapshot)
    solver.net.params['fc'][0].data[...] += rank             # bcast puts it right

    nccl = caffe.NCCL(solver, uid)
    nccl.bcast()

    if rank == 0:
        time(solver, nccl)
    else:
        solver.add_callback(nccl)

    if solver.param.layer_wise_reduce:
        solver.net.after_backward(nccl)
    solver.step(solver.param.max_iter)
    solver.net.save('rank%d.caffemodel' % rank)


if __name__ == '__main__':
    sys.exit(train(sys.argv[1], None, [int(gpu) for gpu in sys.argv[2].split(',')]))
