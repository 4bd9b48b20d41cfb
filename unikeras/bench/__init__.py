"""Timing, worker side: contenders that train the same model from the same weights on the same data, each in a process of its own.

`workload.py` is what all of them get, `turns.py` how they take turns, `contender.py` what they have in common. `own.py` is
unikeras itself. The others are what it is measured against, each written as well as we can: `keras_fit.py` is stock Keras,
`hand_torch.py` and `hand_tensorflow.py` are loops as people write them by hand, `lightning.py` is Lightning. `bench_command.py`
in the parent lets them race.

`limit.py` measures what nobody can undercut: `layers.py` finds a model's layers, `work.py` counts what they compute and move,
`limit_torch.py` and `limit_tensorflow.py` measure how fast that goes at best.
"""
