"""pyACL with every call checked: finding the module, error codes as exceptions, and what a whole process shares."""

from __future__ import annotations

import atexit
import threading
from collections import Counter
from collections.abc import Callable
from importlib.metadata import packages_distributions
from os import PathLike
from types import ModuleType
from typing import Any

from ..core.imports import ForeignNumpyError, import_compiled
from ..errors import SessionError, first_line
from .acl_codes import BARE, REPEAT_INITIALIZE, name_of
from .acl_cures import cure_for, told_cause

_ENVIRONMENT = "Source CANN's set_env.sh first (see the chapter on the Ascend host)."


class AclError(SessionError):
    """A pyACL call that failed.

    Attributes
    ----------
    call : str
        Such as ``"acl.rt.malloc"``.
    code : int or None
        What it returned; None for a function that returns a handle and gave none.
    name : str
        The code's name in CANN's headers.
    message : str
        What acl.get_recent_err_msg had to say, whole; may be empty.
    """

    def __init__(self, call: str, code: int | None, message: str, where: str | PathLike, soc: str | None = None):
        self.call, self.code, self.message, self.soc = call, code, message, soc
        self.name = "no result" if code is None else name_of(code)
        words, cure = told_cause(message) or ("", cure_for(500000 if code is None else code, soc))
        said = " ".join(message.split())[:300].rstrip(". ")
        if words not in said:  # the cause comes last in what may be long
            said = f"{said} … {words}"
        number = self.name if code is None else f"{code} {self.name}"
        super().__init__(f"{call} failed: {number}{f' ({said})' if said else ''}", where=where, cure=cure)

    def __reduce__(self) -> tuple:
        """For the way from one process to another."""
        return AclError, (self.call, self.code, self.message, self.where, self.soc)


def load_acl() -> ModuleType:
    """CANN's `acl` module.

    Raises
    ------
    SessionError
        It is not there or does not load, as where it was built for another numpy; or a package of the same name, which
        has nothing to do with it, is.
    """
    try:
        acl = import_compiled("acl")
    except ModuleNotFoundError as error:
        if error.name == "acl":
            raise SessionError("there is no module acl (pyACL)", where="ascend", cure=_ENVIRONMENT) from error
        raise _broken(error) from error
    except Exception as error:  # a foreign package may raise anything, SyntaxError of Python 2 included
        raise _broken(error) from error
    if hasattr(acl, "rt") and hasattr(acl, "mdl"):
        return acl
    place = getattr(acl, "__file__", None) or ", ".join(getattr(acl, "__path__", []))
    raise SessionError(
        f"the module acl in {place} is {_owner()}, not CANN's pyACL",
        where="ascend",
        cure=f"Remove it (pip uninstall pyacl acl). {_ENVIRONMENT}",
    )


def _broken(error: Exception) -> SessionError:
    if isinstance(error, ForeignNumpyError):
        return SessionError("the module acl does not load: " + str(error), where="ascend", cure=error.cure)
    return SessionError(
        f"the module acl does not load ({type(error).__name__}: {first_line(error)}); installed is {_owner()}",
        where="ascend",
        cure=_ENVIRONMENT,
    )


def _owner() -> str:
    names = packages_distributions().get("acl", [])
    return f"the unrelated package {' and '.join(sorted(set(names)))}" if names else "no package pip knows of"


def count_devices() -> int:
    """Ascend devices that this process can see; 0 where there is no pyACL or it does not answer. Never raises."""
    try:
        acl = load_acl()
        count, code = acl.rt.get_device_count()
        if code:  # some versions want acl.init first; it stays initialised, which a later session expects
            this_process.initialise(Acl(acl, "ascend"))
            count, code = acl.rt.get_device_count()
        return int(count) if code == 0 else 0
    except Exception:  # whatever a module named acl may do: the question was only whether it works
        return 0


class Acl:
    """Calls into the module by full name, ``acl("acl.rt.malloc", size, policy)``.

    Returns what the function gives besides its error code: nothing, a value, or a tuple of values. A code other than
    0, or no handle, address or content where one should be, becomes an `AclError`.
    """

    def __init__(self, module: ModuleType, where: str | PathLike):
        self.module, self.where, self.soc = module, where, None

    def __call__(self, call: str, *args: Any) -> Any:
        result = self.function(call)(*args)
        if call in BARE:
            if (".create_" in call or "_to_" in call) and (result is None or (isinstance(result, int) and not result)):
                raise self._error(call, None)
            return result
        *values, code = result if isinstance(result, tuple) else (result,)
        if code:
            raise self._error(call, code)
        return values[0] if len(values) == 1 else tuple(values) or None

    def function(self, call: str) -> Callable:
        """The function of that name; AclError 200001 where this version has none."""
        found: Any = self.module
        for part in call.split(".")[1:]:
            found = getattr(found, part, None)
        if found is None:
            raise AclError(call, 200001, "this version of pyACL does not have it", self.where)
        return found

    def _error(self, call: str, code: int | None) -> AclError:
        recent = getattr(self.module, "get_recent_err_msg", lambda: None)()
        return AclError(call, code, recent if isinstance(recent, str) else "", self.where, self.soc)


class Held:
    """Releases, in the order of acquiring; undone in reverse, all of them, whatever fails."""

    def __init__(self) -> None:
        self._releases: list[Callable[[], Any]] = []

    def add(self, release: Callable[..., Any], *args: Any) -> None:
        self._releases.append(lambda: release(*args))

    def release(self) -> AclError | None:
        """The first error of those releases that failed."""
        first = None
        while self._releases:
            try:
                self._releases.pop()()
            except AclError as error:
                first = first or error
        return first


class Process:
    """What all sessions of a process share: one initialisation, and one set_device per device in use.

    ACL stays initialised until `finalise`, which comes with the end of the process: CANN 5 does not promise that it
    can be initialised a second time, and a study opens one session after the other. Devices are given back with the
    last session on them.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._acl: Acl | None = None  # initialised, and by us
        self._devices: Counter[int] = Counter()

    def initialise(self, acl: Acl) -> None:
        """Call acl.init unless that is done; somebody else in this process may have."""
        with self._lock:
            if self._acl is None:
                try:
                    acl("acl.init")
                except AclError as error:
                    if error.code != REPEAT_INITIALIZE:
                        raise
                    return  # nor is it ours to finalise
                self._acl = acl
                atexit.register(self._at_exit)

    def take(self, acl: Acl, device: int) -> None:
        """Set the device for the first session on it."""
        with self._lock:
            if not self._devices[device]:
                acl("acl.rt.set_device", device)
            self._devices[device] += 1

    def give_back(self, acl: Acl, device: int) -> None:
        """Reset the device after the last session on it."""
        with self._lock:
            self._devices[device] -= 1
            if not self._devices[device]:
                acl("acl.rt.reset_device", device)

    def finalise(self) -> None:
        """Call acl.finalize where we initialised; sessions must be closed. A session opened later may be refused.

        Raises
        ------
        SessionError
            Sessions that are open (their number is named), or a call that failed.
        """
        with self._lock:
            if count := sum(self._devices.values()):
                raise SessionError(f"{count} sessions are open", where="ascend", cure="Close them first.")
            if self._acl is not None:
                acl, self._acl = self._acl, None
                atexit.unregister(self._at_exit)
                acl("acl.finalize")

    def _at_exit(self) -> None:
        try:
            self.finalise()
        except SessionError:  # sessions left open, or a driver that is gone: the end of the process frees all the same
            pass


this_process = Process()
