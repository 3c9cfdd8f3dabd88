"""The names of all MLflow tags, container labels and environment variables that Darkroom sets.

They are formats: runs, models and processes of earlier versions carry them, so a value here never changes. This module imports
nothing, so that every other one can import it. MLflow's own variables (`MLFLOW_TRACKING_URI` ...) are documented by MLflow.
"""

# Tags that MLflow itself defines
COMMIT = "mlflow.source.git.commit"
DATA_CONTEXT = "mlflow.data.context"  # of an input: what the data was used for
EXPERIMENT_KIND = "mlflow.experimentKind"  # of an experiment: which of its pages MLflow shows
NOTE = "mlflow.note.content"  # Markdown that MLflow's page shows
PARENT = "mlflow.parentRunId"
SOURCE_NAME, SOURCE_TYPE = "mlflow.source.name", "mlflow.source.type"
TABLE_VIEW = "mlflow.sharedViewState.darkroom"  # of an experiment: the columns of its table of runs
USER = "mlflow.user"

# Of a run: the process that carries it out, the code, the environment and the data
PREFIX = "darkroom."
HOST, BOOT, PID_SPACE = "darkroom.host", "darkroom.boot", "darkroom.pid_space"
PID, PROCESS_STARTED = "darkroom.pid", "darkroom.process_started"
DIRTY = "darkroom.git_dirty"  # whether something is changed since the commit
CODE = "darkroom.code."  # and the step's name: the version of its code
PYTHON, TORCH, PACKAGES = "darkroom.python", "darkroom.torch", "darkroom.packages"
DEVICE, SYSTEM = "darkroom.device", "darkroom.system"
DATA_VERSION = "darkroom.data_version"  # hash of the data; also of a registered version
DATA_RULE = "darkroom.data_rule"  # which files the hash is over; earlier releases set none, and hashed as `dvc add` does
FILES_READ = "files read"  # its value
DVC_MD5 = "darkroom.dvc_md5"  # what DVC keeps the data under, where that is not the hash
DISK = "darkroom.disk_bytes"  # what the run wrote to the disk

# Of a run: what it is, and how it ended
STEP = "darkroom.step"
STEP_KEY = "darkroom.step_key"  # of a child run: what the entries of the outbox know it by
START_KEY = "darkroom.start_key"  # another one for each start of a run
SEARCH = "darkroom.search"  # of the run of `darkroom tune`, which ends with settings, not with a model
TRIAL = "darkroom.trial"  # of a child run: the number of a search's trial; `darkroom runs` and the pages leave these out
TRIAL_STATE, TRIAL_REASON = "darkroom.trial_state", "darkroom.trial_reason"  # and why
CACHED = "darkroom.cached"
RESUMED = "darkroom.resumed"  # how often a failed run was resumed
ERROR = "darkroom.error"
ERROR_KIND = "darkroom.error_kind"  # of a step's run: `input` for a mistake of the user's, else `internal`
LIKE = "darkroom.like"  # the run that this one repeats
OUTCOME = "darkroom.outcome"  # how a run on Kubeflow ended
PAGE = "darkroom.page"  # the address of Kubeflow's page of the run
KUBEFLOW_TAG = "darkroom.kubeflow_run"  # the id of Kubeflow's run
PIPELINE = "darkroom.pipeline_run"  # of a parent run and its children where no plug-in makes them: the id of Kubeflow's run

# Of a run: elections between processes, also of earlier versions
WORK_KEY = "darkroom.key"  # names the work that only one run is to do at a time
LEASE = "darkroom.claim"
ASKS, HOLDS = "asks", "holds"  # values of the lease

# Of a run: why it was started by `retrain`
RETRAIN_REASONS = "darkroom.retrain_reasons"  # names; with `.` and a name: the reason in words
RETRAIN_START, RETRAIN_WINDOW = "darkroom.retrain_start", "darkroom.retrain_window"

# Of a run and of the version that it ended with
DECISION, REASON = "darkroom.decision", "darkroom.reason"
FLOOR = "darkroom.floor"  # of a version: what a linear model on the embeddings reaches on its test images, and the gain over it
FORGOTTEN = "darkroom.forgotten"  # classes that the new model answers worse
MODEL_NAME, MODEL_VERSION = "darkroom.model_name", "darkroom.model_version"  # of a run alone
VARIANT = "variant"  # `full` or `pruned`

# Of a registered version or model
SHA256 = "darkroom.model_sha256"
PREVIOUS = "darkroom.previous"  # sha256 of the splits that a version's own split continued, or `none`; also of a run
BY_HAND = "darkroom.by_hand"  # the last time that a person made it champion: who, when, why
COMPARISON = "darkroom.comparison"  # JSON: a verdict's numbers, see `darkroom.outcome.Verdict.plain`
COMPARED_WITH, GAIN = "darkroom.compared_with", "darkroom.gain"
GAIN_INTERVAL, P_VALUE = "darkroom.gain_interval", "darkroom.p_value"
INTERVAL_TAG = "{}_interval"  # JSON of a measure's 95 % limits, `low` and `high`
CHAMPION_MOVE = "darkroom.champion."  # of a model, and the move's number in four digits
ALIAS_TICKET = "darkroom.lock."  # of a model, and 12 digits: a process that waits to move an alias

# Labels of images and containers
PROJECT_LABEL, CODE_LABEL, LOCK_LABEL = "darkroom.project", "darkroom.code", "darkroom.lock"

# Environment variables
VARIABLE_PREFIX = "DARKROOM_"
CHECKPOINTS = "DARKROOM_CHECKPOINTS"  # folder or s3://bucket/prefix in which long steps keep what they need to resume
CODE_VERSION = "DARKROOM_CODE_VERSION"  # of the step's code, where the pipeline was compiled
IMAGE_NAME = "DARKROOM_IMAGE"  # the image in which the components run
KNOWN_PARENT = "DARKROOM_PARENT"  # the ids of the experiment and of the pipeline's run, `EXPERIMENT/RUN`
KUBEFLOW_RUN = "DARKROOM_KUBEFLOW_RUN"  # the id of Kubeflow's run
KUBEFLOW_TOKEN, KUBEFLOW_COOKIES = "DARKROOM_KUBEFLOW_TOKEN", "DARKROOM_KUBEFLOW_COOKIES"
MLFLOW_PATIENCE_S = "DARKROOM_MLFLOW_PATIENCE_S"  # how long a process waits for MLflow where it can't continue without it
OUTBOX_FOLDER = "DARKROOM_OUTBOX"  # the folder of what waits for MLflow
OWNER = "DARKROOM_OWNER"  # tags of the process that runs the pipeline, as JSON, or `stdin` where they could not be checked
POD_NAME, POD_UID = "DARKROOM_POD_NAME", "DARKROOM_POD_UID"  # of the pod that a step runs in
TRAIN_JOB = "DARKROOM_TRAIN_JOB"  # JSON: the TrainJob by which a step trains on several nodes, but for its name and what it works on
VECTORS = "DARKROOM_VECTORS"  # folder in which steps keep vectors, scans and decoded images from run to run
FETCHED = "DARKROOM_FETCHED_MODELS"  # JSON: folders of the registered models whose weights settings name, see `darkroom.named_weights`
VOLUME = "DARKROOM_VOLUME"  # where the volume of packed images is mounted
WEBHOOK_URL = "DARKROOM_WEBHOOK_URL"
