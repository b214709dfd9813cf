from __future__ import annotations

from foundation.errors import DatasetError, UsageError, UserError, root_cause


def _raised(error: Exception, cause: Exception) -> RuntimeError:
    """Returns a failure of a node in which `error` was raised from `cause`."""
    try:
        try:
            try:
                raise cause
            except Exception as caught:
                raise error from caught
        except Exception as caught:
            raise RuntimeError("the node failed") from caught
    except RuntimeError as failure:
        return failure


def test_sentence_of_ours_is_told_whatever_it_was_raised_from() -> None:
    for kind in (UserError, UsageError, DatasetError):
        failure = _raised(kind("dogs.tar is damaged: get it again."), OSError("bad magic"))
        assert root_cause(failure) == "dogs.tar is damaged: get it again."


def test_foreign_error_is_told_by_its_root_and_type() -> None:
    failure = _raised(ValueError("wrapped"), KeyError("label"))

    assert root_cause(failure) == "KeyError: 'label'"
