"""The park, whose devices are all twins by profile: each is read whole by the driver."""

from __future__ import annotations

from drivers.media.serial_line import SerialLine, SerialLineConfig
from drivers.media.tcp_line import TcpLine, TcpLineConfig
from drivers.modbus.config import ModbusConfig, ModbusDevice
from drivers.modbus.driver import Modbus
from drivers.modbus.profile import load_profile
from gateway.model.ids import LineId, PointId
from simulators.modbus.kinds import RunningTcp
from simulators.modbus.profile.device import ProfileOptions
from simulators.running import Running, run_scene
from simulators.scene import load_scene


def make_line(running: Running, name: str) -> SerialLine | TcpLine:
    laid = running.lines[name]
    at = laid.address
    if isinstance(laid, RunningTcp):
        return TcpLine(LineId(name), TcpLineConfig(host=at.host, port=at.port))
    return SerialLine(LineId(name), SerialLineConfig(port=at.path, baud_rate=at.baud_rate))


async def test_every_device_of_the_park_is_read_whole_and_good() -> None:
    scene = load_scene("park")
    async with run_scene(scene) as running:
        lines = {spec.id: make_line(running, spec.id) for spec in scene.line}
        read = 0
        try:
            for line in lines.values():
                await line.open()
            for spec in scene.twin:
                assert isinstance(spec, ProfileOptions)
                known = load_profile(spec.profile, None).map
                options = ModbusConfig(profile=spec.profile, unit=spec.unit, response_timeout_s=1.0)
                device = Modbus(ModbusDevice(options, known), lines[spec.line])
                for group in device.groups:
                    sample = await device.poll(group)
                    assert not sample.flags, (spec.id, group.name)
                    read += len(group.table)
                if spec.id == "pump-relay":
                    assert await device.write(PointId("relay_3"), value=True) is True
        finally:
            for line in lines.values():
                await line.close()
        assert read == sum(
            len(load_profile(spec.profile, None).map.points)
            for spec in scene.twin
            if isinstance(spec, ProfileOptions)
        )
