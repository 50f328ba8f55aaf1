"""candelabra: one pretrained backbone, any set of vision heads."""

__version__ = "0.1.0"
RUN = "CANDELABRA_RUN"  # set for the further ranks of a run: the folder whose config.yaml they read
CACHE = "CANDELABRA_CACHE"  # the folder of what runs share; ~/.cache/candelabra where it is not set
SLURM_JOB = "SLURM_JOB_ID"
