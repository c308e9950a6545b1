"""The one error tree. A class name is also the `ErrorEquals` name in `statemachine/retraining.asl.json`.

PerennialError
├── InvalidRequest            the caller asked for something that cannot be; nothing was touched
│   ├── UnknownModel
│   ├── InvalidModelFile
│   ├── UnreadableTrigger
│   ├── VersionNotFound
│   └── VersionExpired
├── InvalidData               the data cannot be used; it goes to quarantine, or stays where it is
│   ├── EmptyObject
│   ├── UnreadableFile
│   ├── BatchTooLarge
│   ├── MissingColumn
│   ├── NoTrainingData
│   └── NotEnoughLabels
├── ProfileMismatch           two profiles cannot be compared or merged
├── TrainingFailed            the estimator raised; the instance is gone, the champion serves on
├── VersionMismatch           the instance has not the libraries that the functions will load the model with
├── BudgetExceeded            a training could take more than its model file allows; nothing was started
├── Retryable                 the same call may succeed a little later
│   ├── ServiceUnavailable
│   ├── CapacityUnavailable
│   ├── TrainerLost
│   └── SpotInterrupted
├── ServiceRefused            AWS refused a call and would refuse it again; what was done before it stays
├── Conflict                  somebody else was first; nothing was written
│   ├── AliasMoved
│   └── CallbackExpired
├── ApprovalRefused           a person said no; the champion serves on
└── ArtifactCorrupted         a stored artefact is not the one that was registered; it was not loaded
"""


class PerennialError(Exception):
    """Any failure that Perennial names itself."""


class InvalidRequest(PerennialError):
    """What was asked for cannot be done as asked. Nothing was changed."""


class UnknownModel(InvalidRequest):
    """There is no `models/<name>.yaml` of that name. The batch stays under `incoming/`."""


class InvalidModelFile(InvalidRequest):
    """A model file does not say what it must. Nothing was read or written."""


class UnreadableTrigger(InvalidRequest):
    """The event that started the run is none of the four triggers. The batch stays under `incoming/`."""


class VersionNotFound(InvalidRequest):
    """The registry holds no such version. The champion is unchanged."""


class VersionExpired(InvalidRequest):
    """The version is on record, its files are gone by the model's retention. The champion is unchanged."""


class InvalidData(PerennialError):
    """The data cannot be used. It is kept, in quarantine or where it was."""


class EmptyObject(InvalidData):
    """A file holds no bytes or no rows. It goes to quarantine."""


class UnreadableFile(InvalidData):
    """A file is not the CSV, Parquet or JSON Lines that its name promises. It goes to quarantine."""


class BatchTooLarge(InvalidData):
    """The files are larger, decompressed, than the model file allows. The batch goes to quarantine."""


class MissingColumn(InvalidData):
    """A column that the model file names is not in the data. The batch goes to quarantine."""


class NoTrainingData(InvalidData):
    """No accepted rows are there to train on. The champion serves on."""


class NotEnoughLabels(InvalidData):
    """Fewer rows with labels than the model file asks for. They stay accepted; the champion serves on."""


class ProfileMismatch(PerennialError):
    """Two profiles were binned differently, so they can be neither merged nor compared."""


class TrainingFailed(PerennialError):
    """The training task raised. Its instance shuts down; the champion serves on."""


class VersionMismatch(PerennialError):
    """The instance does not run the libraries that the functions load models with. Nothing was trained."""


class BudgetExceeded(PerennialError):
    """A training could take more minutes or dollars than its model file allows. Nothing was started."""


class Retryable(PerennialError):
    """The same call may succeed a little later; the state machine tries again."""


class ServiceUnavailable(Retryable):
    """AWS throttled or refused for a moment, after the SDK's own retries."""


class CapacityUnavailable(Retryable):
    """EC2 had no instance of any allowed type, spot or on demand."""


class TrainerLost(Retryable):
    """The training instance went away without a word. The run trains again."""


class SpotInterrupted(Retryable):
    """EC2 took the spot instance back. The run trains again."""


class ServiceRefused(PerennialError):
    """AWS refused a call and would again: a missing permission, a missing object. The champion serves on."""


class Conflict(PerennialError):
    """Somebody else was first. Nothing was written."""


class AliasMoved(Conflict):
    """The champion changed between evaluation and promotion. The champion in place stays."""


class CallbackExpired(Conflict):
    """The task token is no longer valid: the run timed out or ended. The result was not used."""


class ApprovalRefused(PerennialError):
    """A person said no to a promotion. The challenger is rejected and the champion serves on."""


class ArtifactCorrupted(PerennialError):
    """A stored artefact differs from its registered digest. It was not loaded."""
