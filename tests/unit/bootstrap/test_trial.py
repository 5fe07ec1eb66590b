"""A trial node never reaches a real axis, and a real node never works with what one made (threat 143)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gateway.bootstrap.core import open_core
from gateway.bootstrap.trial import MARK, refuse_mixture
from gateway.errors import Misconfigured
from gateway.settings import Settings, load
from gateway.settings.options import AxisSettings, NamedAxis, RouteSettings
from gateway_labs.sandbox import stage


@pytest.fixture
def box(tmp_path: Path) -> Settings:
    stage.claim(tmp_path / "box")
    return stage.settings_for(tmp_path / "box", 0)


def real(tmp_path: Path, **more: str) -> Settings:
    return load(None, {"GATEWAY_NODE_DATA_DIR": str(tmp_path / "real"), **more})


@pytest.mark.parametrize("name", ["GATEWAY_NODE_DATA_DIR", "GATEWAY_KEYS_FOLDER", "GATEWAY_TRUST_FOLDER"])
async def test_threat_143_a_real_node_refuses_the_folders_of_a_sandbox(
    box: Settings, tmp_path: Path, name: str
) -> None:
    folder = {"DIR": box.node.data_dir, "KEYS": box.keys.folder, "TRUST": box.trust.folder}
    chosen = folder["DIR" if "DATA" in name else name.split("_")[1]]

    with pytest.raises(Misconfigured, match="made for a trial"):
        async with open_core(real(tmp_path, **{name: str(chosen)})):
            pass


def test_a_sandbox_opens_no_folder_that_it_did_not_make(box: Settings, tmp_path: Path) -> None:
    """Nor claims one that holds something; each in its own folder is well."""
    refuse_mixture(box)
    refuse_mixture(real(tmp_path))
    other = tmp_path / "other"
    (other / "node").mkdir(parents=True)
    with pytest.raises(Misconfigured, match="not made for a trial"):
        refuse_mixture(stage.settings_for(other, 0))
    with pytest.raises(Misconfigured):
        stage.claim(other)
    assert [path.name for path in other.iterdir()] == ["node"]


def test_threat_143_a_sandbox_refuses_every_axis_but_its_own(box: Settings) -> None:
    """Also as one of several."""
    for kind in ("amqp", "vxp", "lgsp"):
        with pytest.raises(Misconfigured, match=kind):
            refuse_mixture(replace(box, axis=replace(box.axis, kind=kind)))
    other = NamedAxis(name="real", parts={"axis": AxisSettings(kind="vxp")})
    with pytest.raises(Misconfigured, match="vxp"):
        refuse_mixture(replace(box, axes=(other,), routes=(RouteSettings(to="*", axes=("real",)),)))


def test_and_folders_elsewhere(box: Settings, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / MARK).parent.mkdir()
    for wrong in (
        replace(box, axis=replace(box.axis, folder=elsewhere)),
        replace(box, keys=replace(box.keys, folder=elsewhere)),
        replace(box, trust=replace(box.trust, folder=elsewhere)),
        replace(box, database=replace(box.database, url=f"sqlite+aiosqlite:///{elsewhere}/gateway.db")),
        replace(box, database=replace(box.database, url="postgresql://node@db/gateway")),
        replace(box, keys=replace(box.keys, pkcs11_module=elsewhere)),
    ):
        with pytest.raises(Misconfigured, match="within its own folder"):
            refuse_mixture(wrong)
