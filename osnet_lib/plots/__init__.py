"""Every figure of the book, one call each: a function returns a figure and changes nothing else."""

from .charts import plot_cameras, plot_cmc, plot_parity, plot_rounds, plot_speeds
from .images import plot_activation, plot_network_input, plot_samples
from .maps import plot_map
from .pairs import plot_pairs
from .pareto import plot_engines
from .queries import plot_ap, plot_camera_pairs
from .ranked import plot_ranked_lists
from .roofline import plot_best_batch, plot_roofline
from .scaling import plot_scaling

__all__ = [
    "plot_activation",
    "plot_ap",
    "plot_best_batch",
    "plot_camera_pairs",
    "plot_cameras",
    "plot_cmc",
    "plot_engines",
    "plot_map",
    "plot_network_input",
    "plot_pairs",
    "plot_parity",
    "plot_ranked_lists",
    "plot_roofline",
    "plot_rounds",
    "plot_samples",
    "plot_scaling",
    "plot_speeds",
]
