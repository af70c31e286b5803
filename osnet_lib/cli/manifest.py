"""The command ``osnet manifest``: makes a folder of images under any names a data set."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path


def add_manifest_command(command: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the command; `command` is the factory of `osnet_lib.cli.main`: name, function, summary, example."""
    from ..datasets.name_template import PUBLIC_TEMPLATES

    p = command(
        "manifest",
        manifest_command,
        "list the images of any folder as a data set",
        "manifest DukeMTMC-reID DukeMTMC-reID/manifest.csv --pattern dukemtmc",
    )
    p.add_argument("folder", help="holds the images of query and gallery, at any depth")
    p.add_argument("output", help="the .csv to write, in that folder or above it: split,path,pid,camid")
    p.add_argument(
        "--pattern",
        required=True,
        help="what the names look like, such as '{pid}_c{camid}_{}.jpg' with {} for any text, or a public data set: "
        + ", ".join(PUBLIC_TEMPLATES),
    )
    for split, known in (("query", "query, image_query"), ("gallery", "bounding_box_test, gallery, image_test, test")):
        p.add_argument(
            f"--{split}",
            nargs="+",
            default=(),
            metavar="PATH",
            help=f"folders in FOLDER, or text files with a path a line (default: list_{split}.txt, else a folder named "
            f"{known} or alike)",
        )


def manifest_command(o: argparse.Namespace) -> None:
    """Run ``osnet manifest``: write the manifest once it can be opened, and say what is in it."""
    from ..core.files import atomic_path
    from ..datasets.manifest import open_manifest, write_rows
    from ..datasets.survey import survey_folder
    from ..errors import DatasetError

    output = Path(o.output).expanduser()
    if output.suffix.lower() != ".csv":
        raise DatasetError("a manifest is written as .csv", where=output, cure=f"Call it {output.name}.csv")
    found = survey_folder(o.folder, o.pattern, output.parent, o.query, o.gallery)
    with atomic_path(output) as temporary:
        write_rows(temporary, found.rows)
        try:
            with open_manifest(temporary) as dataset:
                summary = dataset.summary()
        except DatasetError as error:
            where = str(error.where).replace(str(temporary), str(output))  # which is not there yet
            raise DatasetError(error.what, where=where, cure=error.cure) from error
    for row in summary:
        print(
            f"{output}: {row['split']} {row['images']:,} images, {row['identities']:,} identities, "
            f"{row['cameras']} cameras" + (f", {row['junk']:,} junk" if row["junk"] else "")
        )
    if found.left_out:
        counts = ", ".join(f"{count:,} of {split}" for split, count in sorted(found.left_out.items()))
        print(f"left out: {counts} folders")
