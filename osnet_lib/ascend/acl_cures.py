"""What to do about a pyACL call that failed: by its last error's text where that names the cause, else by its code."""

from __future__ import annotations

import re

_MEMORY = "Free device memory (npu-smi info shows who holds it), or take a smaller batch."
_OTHER_CHIP = "Convert the model for this very chip{soc}, with a CANN no newer than this host's."
_DAMAGED = "Copy the OM again and compare the sha256, or convert it again."
_REBUILT = "Convert the model again with the CANN of this host."
_CURES = {
    (100000,): "Convert the model again with the CANN of this host; if it stays, this version of pyACL differs.",
    (100001,): "Open the session again in a fresh process.",
    (100037,): "Let nobody else call acl.finalize in this process.",
    (107001,): "Give a device that npu-smi info lists and this process may see (ASCEND_RT_VISIBLE_DEVICES).",
    (107002,): "This thread has no context: set_device or set_context must come first; open the session again.",
    (107003, 107004): "Let no other library destroy or change the context of this process.",
    (107019, 107020): "Look at npu-smi info for a busy or hung device, then run again.",
    (
        107022,
        107023,
        107035,
    ): "The device's work was ended from outside: look at npu-smi info, then run again.",
    (145000,): "The buffers do not fit the model: convert it again, and check batch size and input of the OM.",
    (145002,): "Check the path and its permissions.",
    (145003,): "The model is not loaded any more; open the session again.",
    (145006, 545002, 545003): _DAMAGED,
    (145013,): "Take a batch size that the OM was converted for (--dynamic_batch_size).",
    (200002,): "Give a device that npu-smi info lists.",
    (200000, 207001, 207002, 207018, 245000): _MEMORY,
    (207004,): "No device answers: check the driver with npu-smi info.",
    (207005,): "Close other processes on the device: at most 64 may share one.",
    (207006,): "Add the user to the group of the driver (HwHiAiUser), and pass /dev/davinci* into the container.",
    (207007,): "Close other processes on the device, which hold its events.",
    (207008,): "Close other processes on the device, which hold its streams.",
    (207010,): "Close other processes on the device, which hold its models.",
    (500000,): "Open the session in a fresh process; the device log is under $HOME/ascend/log.",
    (500002, 507008, 545001): _OTHER_CHIP,
    (507009,): "A virtual NPU may lack what the model needs: use the whole device, or convert for its template.",
    (507010,): "The device stopped answering: look at npu-smi info, reset the device, run again.",
    (507011,): "The model failed on the device: convert it again for this chip, or look at $HOME/ascend/log.",
    (507014, 507017, 507034, 507048): "An operator hung: look at npu-smi info and $HOME/ascend/log, then run again.",
    (507015, 507016, 507018, 507035, 507036, 507042, 507043, 507044, 507045, 507049, 507050): (
        "An operator crashed: convert the model again for this chip, or look at $HOME/ascend/log."
    ),
    (507033,): "The device cannot be opened: check driver (npu-smi info), /dev/davinci* and the group HwHiAiUser.",
    (507046, 507047, 545601): "The device did not finish in time: look at npu-smi info, then run again.",
    (507053, 507054, 507055): "The device's memory is faulty: look at npu-smi info -t ecc.",
    (507899,): "The driver failed: look at npu-smi info and dmesg.",
    (545004, 545005): _REBUILT,
}
ACL_CURES = {code: text for codes, text in _CURES.items() for code in codes}
_BY_KIND = {
    "1": "Check that pyACL, driver and OM are of one CANN version.",
    "2": "Close other processes on the device, or take a smaller batch.",
    "3": "Free space on the disk.",
    "5": "Look at npu-smi info and at the log under $HOME/ascend/log.",
}
# One cause comes with many codes (an OM of another chip with 500001, 145000 and 100000), and one code of many causes.
_TEXTS = (
    (
        r"supported\s+socVersion\s*=\s*(?P<here>[\w-]+)\W+but the model\s+socVersion\s*=\s*(?P<there>[\w-]+)",
        "The OM is of another chip: convert the model for this one (--soc_version={here}).",
    ),
    (
        r"opp version of the model does not match[^.\n]*",
        "The OM is of another CANN: convert it with that of this host.",
    ),
)


def told_cause(message: str) -> tuple[str, str] | None:
    """The words of a last error that name the cause, and the cure; None where it holds none of those that are known."""
    for pattern, cure in _TEXTS:
        if found := re.search(pattern, " ".join(message.split()), re.IGNORECASE):
            return found[0].strip(), cure.format(**found.groupdict())
    return None


def cure_for(code: int, soc: str | None = None) -> str:
    """What to do about a code, in one sentence; `soc` is the chip of this host, where it is known."""
    text = ACL_CURES.get(code) or _BY_KIND.get(str(code)[0], _BY_KIND["5"])
    return text.replace("{soc}", f" (--soc_version={soc})" if soc else "")
