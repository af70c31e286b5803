"""What every figure says, in sentences: the alternative text for those who do not see it.

The sentences are templates with named values, all in one place; a plot function gives the values that it drew.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .style import Chart

SENTENCES = {
    "ap": "Average precision of the single queries as a histogram.",
    "ap of": "{label}: the mean of {queries:,} queries is {mean:.1f} %, the median {median:.1f} %; "
    "{low:,} queries stay below 50 %.",
    "activation": "{images} images with their activation maps: on average {share:.0f} % of a picture lies above half "
    "of its map's largest value, from {least:.0f} % to {most:.0f} %.",
    "best batch": "Published images per second against the batch size.",
    "best batch of": "{label} on {chip} is fastest at batch {batch}, with {rate:,.0f}.",
    "camera pairs": "Rank-1 from camera to camera as a heat map: camera {worst_from} to {worst_to} is worst with "
    "{worst:.1f} % of {worst_queries:,} queries, camera {best_from} to {best_to} best with {best:.1f} % of "
    "{best_queries:,}.",
    "cameras": "{images:,} images of {cameras} cameras as bars, by split: camera {most} took the most, "
    "{most_images:,}, and camera {least} the fewest, {least_images:,}.",
    "cmc": "Share of queries with a right answer among the first k images, which rises with k.",
    "cmc of": "{label}: {first:.1f} % at rank 1 and {last:.1f} % at rank {rank}.",
    "engines": "Points of mAP lost against images per second, a mark for each of {engines} engines and precisions.",
    "engines of": "The fastest, {engine}, reaches {speed:,.1f} images per second and changes mAP by {change:+.2f} "
    "points; speeds disturbed: {disturbed}.",
    "input": "A picture of {width} by {height} pixels, resized to {to_width} by {to_height}, and its red, green and "
    "blue channels as they enter the network, with values from {low:.2f} to {high:.2f}.",
    "rounds": "Latency round by round, a strip for each batch size.",
    "rounds of": "Batch {batch}, {verdict}: the median of {rounds:,} rounds is {median:.4g} ms, and 99 % take at most "
    "{p99:.4g} ms.",
    "not measured": "No speed is shown, because nothing was measured.",
    "map": "Features of {people} identities in the plane of their two principal components, which holds "
    "{explained:.0f} % of the variance: {astray} of {queries} queries lie nearer to the middle of another identity's "
    "gallery images than to that of their own.",
    "pairs": "Distances of pairs of images as histograms: half of the {same:,} pairs of one identity lie below "
    "{same_median:.3g}, half of the {different:,} pairs of two identities below {different_median:.3g}.",
    "pairs at": "Where at most {fpr:.4g} % of the wrong pairs pass, {tpr:.1f} % of the right ones do.",
    "parity": "Differences of features from the reference on a log axis: the largest is {worst:.2g}, of {stage} at "
    "batch {batch}, and the tolerance is {tolerance:.2g}.",
    "ranked": "{queries} queries, each with the gallery images nearest to it: {first} of them have a right answer "
    "first, and {right} of all {ranked} ranked images are right.",
    "roofline": "Published speeds below the roofs of {chips} chips.",
    "roofline of": "{chip} reaches at most {tflops:.2f} TFLOPS, {share:.1f} % of its peak, at batch {batch}.",
    "samples": "{images} pictures of {people} identities by {cameras} cameras, each with its identity and camera.",
    "scaling": "Seconds and memory of the evaluation against the size of the gallery.",
    "scaling of": "{queries:,} queries against {gallery:,} images take {seconds:.2g} s and {gigabytes:.2g} GB, and "
    "each further image {microseconds:.1f} µs.",
    "throughput": "Images per second against the batch size.",
    "throughput of": "The fastest is {label} at batch {batch}, with {rate:,.0f}.",
}


class Description(str):
    """A sentence that remembers the values it was filled with, for the caption of the same figure."""

    values: dict[str, Any]


def sentence(name: str, **values: Any) -> Description:
    """One of `SENTENCES` with its values."""
    made = Description(SENTENCES[name].format(**values))
    made.values = {key: value.item() if isinstance(value, np.generic) else value for key, value in values.items()}
    return made


def describe(figure: Chart, *sentences: Description) -> Chart:
    """Give a figure its alternative text, and the values in it; of sentences of one kind those of the first."""
    figure.alt = " ".join(sentences)
    figure.values = {key: value for said in reversed(sentences) for key, value in said.values.items()}
    return figure
