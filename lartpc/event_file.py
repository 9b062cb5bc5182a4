"""The event file: HDF5 with plane images, hits, truth and provenance, readable with plain h5py.

Layout (E events, H hits, P particles, N empty pixels; table names as in the community's NuML files)::

    /                     attributes: schema, schema_version, provenance (JSON), digest
    /event_table/         event_id (E, 3) run, subrun, event;  split (E,);  hits, particles, empty_pixels (E,)
    /hit_table/           event_id (H, 3) and a column for each field of lartpc.event.HIT_DTYPE
    /particle_table/      event_id (P, 3) and a column for each field of PARTICLE_DTYPE
    /empty_pixel_table/   event_id (N, 3) and a column for each field of EMPTY_DTYPE
    /sample_table/        a column for each field of SAMPLE_DTYPE
    /plane_images/        attributes: calibrated, lowest, highest (lartpc.adc_scale.StoredPixels)
    /plane_images/{U,V,W} (E, drift volume, wire, drift pixel) float16

Rows of the tables lie in the order of the events. Drift volumes that an event does not have are 0.
"""

import hashlib
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import h5py
import numpy as np
from numpy.typing import NDArray

from lartpc.adc_scale import StoredPixels
from lartpc.detector import PLANES
from lartpc.errors import UserError, unread
from lartpc.event import SAMPLE_DTYPE, Event
from lartpc.event_form import COUNTS, SPLITS, TABLES, check_form
from lartpc.files import DeferredWrites, whole_file
from lartpc.interrupts import interrupts_held
from lartpc.provenance import Provenance
from lartpc.served.contract import Label

SCHEMA = "lartpc-events"
SCHEMA_VERSION = 2

DAMAGE = (AttributeError, KeyError, OSError, OverflowError, RuntimeError, TypeError, ValueError)
"""What h5py and numpy raise on files that are not as they say; nested JSON is a RecursionError."""

_SPLIT_CYCLE = (0, 0, 0, 1, 0, 2, 0, 0, 2, 0)
_ROWS_PER_CHUNK = 16384


def split_of(event_number: int) -> int:
    """Split of an event by its number alone: 70 % train, 10 % validation, 20 % test."""
    return _SPLIT_CYCLE[event_number % len(_SPLIT_CYCLE)]


class EventWriter:
    """Writes an event file that appears whole, under its name, when the ``with`` block ends well.

    Args:
        path: the file; one that exists is replaced.
        provenance: where the events come from.
        samples: (S,) of :data:`lartpc.event.SAMPLE_DTYPE`; by default one, ``all``, as in nature.
        stored: what has been done to the pixels already.
    """

    def __init__(
        self,
        path: Path,
        provenance: Provenance,
        samples: NDArray[np.void] | None = None,
        stored: StoredPixels = StoredPixels(),  # noqa: B008 (frozen)
    ) -> None:
        self._path = path
        self._provenance = provenance
        self._samples = np.array([("all", 1.0, 1.0)], SAMPLE_DTYPE) if samples is None else samples
        self._stored = stored
        self._digest = hashlib.sha256()
        self._columns: dict[str, h5py.Dataset] = {}
        self._cleanup = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            with interrupts_held():
                part = stack.enter_context(whole_file(self._path))
                self._disk = stack.enter_context(DeferredWrites(part))
                self._file = stack.enter_context(h5py.File(self._disk, "w"))
                self._begin()
            self._cleanup = stack.pop_all()
        return self

    def append(self, event: Event) -> None:
        """Add an event: the planes of the first event, with its wires and pixels; volumes may differ."""
        with self._disk.writing():
            for name, image in sorted(event.images.items()):
                self._append_image(f"plane_images/{name}", image.astype("f2"))
            self._append("event_table/event_id", np.array([event.event_id], "i4"))
            self._append("event_table/split", np.array([split_of(event.event_id[2])], "u1"))
            for table, rows in zip(TABLES, (event.hits, event.particles, event.empty), strict=True):
                self._append(COUNTS[table], np.array([len(rows)], "i4"))
                self._append(f"{table}/event_id", np.tile(np.array(event.event_id, "i4"), (len(rows), 1)))
                for field in TABLES[table].names or ():
                    self._append(f"{table}/{field}", rows[field])

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        if error is not None:
            return self._cleanup.__exit__(kind, error, trace)
        with self._cleanup, self._disk.writing():
            self._end()
        return None

    def _begin(self) -> None:
        self._column("event_table/event_id", np.zeros((0, 3), "i4"))
        self._column("event_table/split", np.zeros(0, "u1"))
        for table, dtype in TABLES.items():
            self._column(COUNTS[table], np.zeros(0, "i4"))
            self._column(f"{table}/event_id", np.zeros((0, 3), "i4"))
            for field in dtype.names or ():
                self._column(f"{table}/{field}", np.zeros(0, dtype)[field])
        for field in SAMPLE_DTYPE.names or ():
            self._append(f"sample_table/{field}", self._samples[field])
        self._file.create_group("plane_images").attrs.update(self._stored.to_attributes())

    def _end(self) -> None:
        data = {**self._provenance.data, "digest": self._digest.hexdigest()}
        self._file.attrs.update(
            schema=SCHEMA,
            schema_version=SCHEMA_VERSION,
            digest=data["digest"],
            provenance=self._provenance.with_stage(data=data).to_json(),
        )
        for column in self._columns.values():  # in this order, whatever else may hold one of them
            column.flush()
        self._file.close()

    def _column(self, name: str, rows: NDArray) -> h5py.Dataset:
        return self._create(
            name,
            rows.dtype,
            (0, *rows.shape[1:]),
            (None, *rows.shape[1:]),
            (_ROWS_PER_CHUNK, *rows.shape[1:]),
        )

    def _create(
        self,
        name: str,
        dtype: np.dtype,
        shape: tuple[int, ...],
        maxshape: tuple[int | None, ...],
        chunks: tuple[int, ...],
    ) -> h5py.Dataset:
        self._columns[name] = self._file.create_dataset(
            name,
            shape=shape,
            maxshape=maxshape,
            dtype=dtype,
            chunks=chunks,
            compression="gzip",
            compression_opts=4,
            shuffle=True,
            fletcher32=True,
        )
        return self._columns[name]

    def _append(self, name: str, rows: NDArray) -> None:
        column = self._columns[name] if name in self._columns else self._column(name, rows)
        count = len(column)
        column.resize(count + len(rows), axis=0)
        column[count:] = rows
        self._digest.update(np.ascontiguousarray(rows).tobytes())

    def _append_image(self, name: str, image: NDArray[np.float16]) -> None:
        volumes, *size = image.shape
        if name not in self._columns:
            self._create(name, image.dtype, (0, volumes, *size), (None, None, *size), (1, 1, *size))
        images = self._columns[name]
        images.resize((len(images) + 1, max(volumes, images.shape[1]), *size))
        images[-1, :volumes] = image
        self._digest.update(np.array(image.shape).tobytes() + np.ascontiguousarray(image).tobytes())


class EventFile:
    """Reads an event file; usable as a context manager.

    Attributes:
        path: the file.
        provenance: where its events come from.
        event_ids: (E, 3) run, subrun, event number.
        splits: (E,) index into :data:`SPLITS`.
        hit_counts: (E,) hits of each event.
        planes: names of the planes that have images.
        samples: (S,) of :data:`lartpc.event.SAMPLE_DTYPE`.
        stored: what has been done to the pixels already.

    Raises:
        UserError: the file is missing, damaged, of another kind or schema version.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            raise UserError(f"no event file {path}; make one with: python -m data_gen.generate --out {path}")
        try:
            self._file = h5py.File(self.path, "r")
        except OSError as error:
            raise unread(path, error, f"is not a readable HDF5 file ({error}); generate it anew") from error
        try:
            self._read_header()
        except UserError:
            self._file.close()
            raise
        except DAMAGE as error:
            self._file.close()
            raise unread(path, error, f"is damaged: {error}; generate it anew") from error

    def _read_header(self) -> None:
        attributes = self._file.attrs
        if attributes.get("schema") != SCHEMA:
            raise UserError(f"{self.path} is no event file: its schema is not {SCHEMA!r}")
        version = int(attributes["schema_version"])
        if version != SCHEMA_VERSION:
            raise UserError(
                f"{self.path} has schema version {version}, not {SCHEMA_VERSION}; generate it anew"
            )
        self.provenance = Provenance.from_json(attributes["provenance"])
        check_form(self._file)
        self.event_ids: NDArray[np.int32] = self._file["event_table/event_id"][:]
        self.splits: NDArray[np.uint8] = self._file["event_table/split"][:]
        self.planes = tuple(sorted(self._file["plane_images"]))
        self.stored = StoredPixels.from_attributes(self._file["plane_images"].attrs)
        self.samples = np.zeros(len(self._file["sample_table/name"]), SAMPLE_DTYPE)
        for field in SAMPLE_DTYPE.names or ():
            self.samples[field] = self._file[f"sample_table/{field}"]
        self._first = {
            table: np.concatenate([[0], np.cumsum(self._file[COUNTS[table]], dtype=np.int64)])
            for table in TABLES
        }
        self.hit_counts: NDArray[np.int64] = np.diff(self._first["hit_table"])

    def __len__(self) -> int:
        return len(self.event_ids)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def in_split(self, split: str) -> NDArray[np.int64]:
        """Indices of the events of a split."""
        return np.flatnonzero(self.splits == SPLITS.index(split))

    def image(self, index: int, plane: str) -> NDArray[np.float16]:
        """(drift volume, wire, drift pixel) stored pixels of one event and plane."""
        return self._read(f"plane_images/{plane}", index, index + 1)[0]

    def natural_weights(self, hits: NDArray[np.void]) -> NDArray[np.float64]:
        """(H,) how often each hit counts in the natural mixture; 1 for what is generated as in nature.

        Raises:
            UserError: a hit names a sample that the file does not have.
        """
        if hits["sample"].max(initial=0) >= len(self.samples):
            raise UserError(
                f"{self.path} is damaged: a hit of sample {hits['sample'].max()}; generate it anew"
            )
        return self.natural[hits["sample"]]

    @property
    def natural(self) -> NDArray[np.float64]:
        """(S,) how often a hit of each sample counts in the natural mixture; 1 where none was generated."""
        generated, natural = self.samples["generated"], self.samples["natural"]
        return np.divide(natural, generated, out=np.ones(len(self.samples)), where=generated > 0.0)

    def empty_pixels(self, index: int) -> NDArray[np.void]:
        """(N,) empty pixels of one event, of :data:`lartpc.event.EMPTY_DTYPE`."""
        return self._rows("empty_pixel_table", index)

    def hits(self, index: int) -> NDArray[np.void]:
        """(H,) hits of one event, of :data:`lartpc.event.HIT_DTYPE`.

        Raises:
            UserError: a hit has a label, plane or Michel flag that there is not.
        """
        hits = self._rows("hit_table", index)
        for name, most in (("label", max(Label)), ("local_plane", len(PLANES) - 1), ("michel", 1)):
            if len(hits) and hits[name].max() > most:
                raise UserError(
                    f"{self.path} is damaged: a hit of event {index} has the {name} {hits[name].max()}; "
                    f"0 to {int(most)} are known"
                )
        return hits

    def particles(self, index: int) -> NDArray[np.void]:
        """(P,) particles of one event, of :data:`lartpc.event.PARTICLE_DTYPE`."""
        return self._rows("particle_table", index)

    def event(self, index: int) -> Event:
        """One whole event."""
        run, subrun, number = (int(part) for part in self.event_ids[index])
        images = {plane: self.image(index, plane) for plane in self.planes}
        return Event(
            (run, subrun, number), images, self.hits(index), self.particles(index), self.empty_pixels(index)
        )

    def _rows(self, table: str, index: int) -> NDArray[np.void]:
        first, last = self._first[table][index], self._first[table][index + 1]
        rows = np.zeros(last - first, TABLES[table])
        for field in TABLES[table].names or ():
            rows[field] = self._read(f"{table}/{field}", first, last)
        return rows

    def _read(self, name: str, first: int, last: int) -> NDArray:
        try:
            return self._file[name][first:last]
        except DAMAGE as error:
            raise unread(self.path, error, f"is damaged at {name}: {error}; generate it anew") from error
