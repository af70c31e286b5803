"""Every figure of the book, one call each: a function returns a figure and changes nothing else."""

from .charts import plot_cameras, plot_cmc, plot_latency, plot_parity, plot_throughput
from .images import plot_network_input, plot_ranked_lists, plot_samples
from .roofline import plot_best_batch, plot_roofline

__all__ = ["plot_best_batch", "plot_cameras", "plot_cmc", "plot_latency", "plot_network_input", "plot_parity",
           "plot_ranked_lists", "plot_roofline", "plot_samples", "plot_throughput"]
