"""Packed stores: one file of fits."""

import gzip
import json

import pytest

from harness.base.errors import BadInput
from harness.engines.engine import Failure, Fit
from harness.store.pack import PackedStore, pack
from harness.store.shelf import Store
from harness.store.stored_engine import fit_key
from tests.store.counting import cached, case, replayed


def test_packing_gives_the_same_bytes(store, frame, tmp_path):
    engine = cached(store)
    for formula in ("Reaction ~ Days + (1 | Subject)", "Reaction ~ 1 + (1 | Subject)"):
        engine.fit(case(frame, formula), "default")
    copy = Store(tmp_path / "copy")
    namespace = engine._namespace
    for key in reversed(store.keys(namespace)):
        copy.put(namespace, key, store.get(namespace, key))
    copy.describe(namespace, store.description(namespace))
    paths = [tmp_path / "one.gz", tmp_path / "folder" / "two.gz"]
    assert [pack(store, paths[0]), pack(copy, paths[1])] == [2, 2]
    assert paths[0].read_bytes() == paths[1].read_bytes()
    lines = gzip.decompress(paths[0].read_bytes()).splitlines()
    assert json.loads(lines[0])["descriptions"][namespace]["versions"] == {"counting": "1"}
    assert [json.loads(line)["key"] for line in lines[1:]] == list(store.keys(namespace))
    packed = PackedStore(paths[1])
    assert len(packed) == 2
    assert packed.namespaces("counting") == packed.namespaces() == (namespace,)
    assert packed.namespaces("count") == ()
    assert all(packed.get(namespace, k) == store.get(namespace, k) for k in store.keys(namespace))


def test_only_the_wanted_fits_are_packed(store, frame, tmp_path):
    engine = cached(store)
    engine.fit(case(frame), "default")
    engine.fit(case(frame), "tight")
    store.put("records", "0f" * 32, b"no fit")
    key = fit_key("counting", case(frame), "tight")
    assert pack(store, tmp_path / "fits.gz", keys={key}) == 1
    again = replayed(PackedStore(tmp_path / "fits.gz"))
    assert isinstance(again.fit(case(frame), "tight"), Fit)
    assert isinstance(again.fit(case(frame), "default"), Failure)


def test_an_empty_store_is_not_packed(store, tmp_path):
    with pytest.raises(BadInput, match="no stored results to pack"):
        pack(store, tmp_path / "fits.gz")
    assert not (tmp_path / "fits.gz").exists()


@pytest.mark.parametrize(
    "content",
    [
        None,
        b"",
        b"y,x\n1,2\n",
        gzip.compress(b"", mtime=0),
        gzip.compress(b'{"format":"other","descriptions":{}}\n', mtime=0),
        gzip.compress(b'{"format":"lmm-parity stored fits 1","descriptions":{}}\n{"key"', mtime=0)[
            :-9
        ],
        gzip.compress(b'{"format":"lmm-parity stored fits 1","descriptions":{}}\n{"key"', mtime=0),
    ],
)
def test_a_damaged_or_missing_pack_is_one_clear_line(tmp_path, content):
    path = tmp_path / "fits.gz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BadInput) as caught:
        replayed(PackedStore(path))
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
