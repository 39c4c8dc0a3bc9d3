"""Files of the kernel that others captured, read by the driver."""

from __future__ import annotations

from pathlib import Path

import pytest

from drivers.kernel import w1_therm
from drivers.kernel.files import KernelConfig, KernelFiles
from gateway.model.errors import DeviceError
from gateway.model.ids import LineId
from tests.checked_options import checked
from tests.listening_ear import told

GOLDEN = Path(__file__).parents[1] / "golden" / "kernel"
CAPTURES = {path.stem: path.read_text() for path in sorted(GOLDEN.glob("*.txt"))}
SENSOR = "28-000004da2313"


@pytest.mark.parametrize("name", CAPTURES)
async def test_driver_reads_what_was_captured(name: str, tmp_path: Path) -> None:
    lines = [line.partition(" ") for line in CAPTURES[name].splitlines()]
    folder = tmp_path / "bus/w1/devices" / SENSOR
    folder.mkdir(parents=True)
    (folder / "w1_slave").write_text(
        "".join(f"{text}\n" for head, _, text in lines if head == "<<")
    )
    files = KernelFiles(LineId("sensors"), checked(KernelConfig, {"root": str(tmp_path)}))
    driver = w1_therm.W1Therm(checked(w1_therm.W1ThermConfig, {"sensor": SENSOR}), files)
    [group] = driver.groups
    [(kind, _, wanted)] = [line for line in lines if line[0] in {"==", "!!"}]
    try:
        sample = told(group, await driver.poll(group))
    except DeviceError as error:
        assert (kind, wanted) == ("!!", type(error).__name__)  # noqa: PT017 - either may be wanted
    else:
        point, _, value = wanted.partition("=" if "=" in wanted else ":")
        found = sample.causes.get(point, "").lower() or str(sample.values[point])
        assert (kind, value) == ("==", found)
    finally:
        await files.close()
