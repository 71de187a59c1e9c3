# SPDX-License-Identifier: Apache-2.0
"""PyTheranostics 0.1 on the numbers of dosimetry.py, run by its own Python (`--peers`).

The package of the registry lacks the module that its convolution imports for scaling by density,
and the files of kernels that its constructor reads. Here that module is empty, the kernel is the
one it ships elsewhere (soft tissue, 4.7952 mm, 51 x 51 x 51), and timed is its own method
`DoseVoxelKernel.tia_to_dose`, without scaling. `fits.fit_tac` is its fit of one region's curve; it
does not fit voxels. Prints one JSON object.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np


def shortest(call: Callable[[], object], calls: int) -> tuple[float, float]:
    """Seconds of the shortest call by the clock, and by the processor."""
    call()
    clock, processor = [], []
    for _ in range(calls):
        began, used = time.perf_counter(), time.process_time()
        call()
        clock.append(time.perf_counter() - began)
        processor.append(time.process_time() - used)
    return min(clock), min(processor)


def main() -> None:
    """Read the arrays of a folder, convolve and fit, and print how long and with what result."""
    folder = Path(sys.argv[1])
    tools = ModuleType("doodle.MiscTools.Tools")
    tools.hu_to_rho = None  # of density scaling, which is not asked for
    sys.modules |= {"doodle.MiscTools": ModuleType("doodle.MiscTools"), tools.__name__: tools}
    import doodle
    from doodle.dosimetry.dvk import DoseVoxelKernel
    from doodle.fits.fits import fit_tac

    shipped = Path(doodle.__file__).parent / "kernels" / "DK_softtissueICRP_mGyperMBqs.img"
    convolver = DoseVoxelKernel.__new__(DoseVoxelKernel)
    convolver.kernel = np.fromfile(shipped, np.float32).reshape((51, 51, 51)).astype(np.float64)
    held_mbq_s = np.load(folder / "held_mbq_s.npy")  # of each voxel
    dose_gy = convolver.tia_to_dose(held_mbq_s) / 1e3
    np.save(folder / "peer_gy.npy", dose_gy.astype(np.float32))

    hours, curves = np.load(folder / "hours.npy"), np.load(folder / "curves.npy")
    decay = float(np.load(folder / "decay.npy"))

    def fit_all() -> None:
        for one in curves:
            fit_tac(hours, one, decayconst=decay, exp_order=1, param_init=(one[0], 0.012))

    found = {
        "convolution": shortest(lambda: convolver.tia_to_dose(held_mbq_s), 3),
        "fits": shortest(fit_all, 1),
        "curves": len(curves),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
