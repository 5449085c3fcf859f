"""Millions of pictures labelled on the machines of a Ray cluster, or on this one: `deeplandmark label`.

What SOURCE names is cut into shards once and for all (plan.py). Each becomes one file of rows, whole or not there at
all, whoever makes it (worker.py); so nothing that dies on the way, a worker, a machine or the command itself, loses or
doubles a row. Ray Data hands the shards out and hands those of the dead to others (cluster.py). A worker looks at the
pictures in a process of its own, which may die over one (work/apart.py).
"""
