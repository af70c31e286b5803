"""Numbers of pyACL, which exports none itself: constants, error codes with their names, and what to do about them.

From the headers acl_base_rt.h, rt_error_codes.h and ge_error_codes.h of CANN. The numbers are the same in all
versions; which of them a mistake leads to is not.
"""

from __future__ import annotations

import numpy as np

RUN_ON_HOST = 1  # what acl.rt.get_run_mode gives there, and 0 on the device, where host and device memory are one
HOST_TO_HOST, HOST_TO_DEVICE, DEVICE_TO_HOST, DEVICE_TO_DEVICE = 0, 1, 2, 3
HUGE_FIRST = 0  # acl.rt.malloc takes huge pages where there are some
REPEAT_INITIALIZE = 100002

# aclDataType, as far as used
DTYPES: dict[int, np.dtype] = {0: np.dtype(np.float32), 1: np.dtype(np.float16), 4: np.dtype(np.uint8)}
NPY_TYPES = {np.dtype(np.uint8): 2, np.dtype(np.float32): 11, np.dtype(np.float16): 23}  # of acl.util.ptr_to_numpy
GEAR_INPUT = "ascend_mbatch_shape_data"  # the further input of an OM with dynamic batch gears

# Functions that return a bare handle or value; all others return their error code, last or alone.
BARE = frozenset(
    {
        "acl.get_soc_name",
        "acl.create_data_buffer",
        "acl.mdl.create_desc",
        "acl.mdl.create_dataset",
        "acl.mdl.get_num_inputs",
        "acl.mdl.get_num_outputs",
        "acl.mdl.get_input_size_by_index",
        "acl.mdl.get_output_size_by_index",
        "acl.mdl.get_input_data_type",
        "acl.mdl.get_output_data_type",
        "acl.util.bytes_to_ptr",
        "acl.util.ptr_to_bytes",
        "acl.util.numpy_to_ptr",
        "acl.util.ptr_to_numpy",
    }
)

_PREFIX = {"107": "RT_", "207": "RT_", "507": "RT_", "145": "GE_", "245": "GE_", "545": "GE_"}
_WORDS = {
    100000: "INVALID_PARAM",
    100001: "UNINITIALIZE",
    100002: "REPEAT_INITIALIZE",
    100003: "INVALID_FILE",
    100004: "WRITE_FILE",
    100005: "INVALID_FILE_SIZE",
    100006: "PARSE_FILE",
    100007: "FILE_MISSING_ATTR",
    100008: "FILE_ATTR_INVALID",
    100009: "INVALID_DUMP_CONFIG",
    100010: "INVALID_PROFILING_CONFIG",
    100011: "INVALID_MODEL_ID",
    100012: "DESERIALIZE_MODEL",
    100013: "PARSE_MODEL",
    100014: "READ_MODEL_FAILURE",
    100015: "MODEL_SIZE_INVALID",
    100016: "MODEL_MISSING_ATTR",
    100017: "MODEL_INPUT_NOT_MATCH",
    100018: "MODEL_OUTPUT_NOT_MATCH",
    100019: "MODEL_NOT_DYNAMIC",
    100024: "OP_NOT_FOUND",
    100025: "OP_LOAD_FAILED",
    100026: "UNSUPPORTED_DATA_TYPE",
    100027: "FORMAT_NOT_MATCH",
    100033: "REPEAT_SUBSCRIBE",
    100034: "STREAM_NOT_SUBSCRIBE",
    100035: "THREAD_NOT_SUBSCRIBE",
    100036: "WAIT_CALLBACK_TIMEOUT",
    100037: "REPEAT_FINALIZE",
    100038: "NOT_STATIC_AIPP",
    100039: "COMPILING_STUB_MODE",
    200000: "BAD_ALLOC",
    200001: "API_NOT_SUPPORT",
    200002: "INVALID_DEVICE",
    200003: "MEMORY_ADDRESS_UNALIGNED",
    200004: "RESOURCE_NOT_MATCH",
    200005: "INVALID_RESOURCE_HANDLE",
    200006: "FEATURE_UNSUPPORTED",
    300000: "STORAGE_OVER_LIMIT",
    500000: "INTERNAL_ERROR",
    500001: "FAILURE",
    500002: "GE_FAILURE",
    500003: "RT_FAILURE",
    500004: "DRV_FAILURE",
    500005: "PROFILING_FAILURE",
    107000: "PARAM_INVALID",
    107001: "INVALID_DEVICEID",
    107002: "CONTEXT_NULL",
    107003: "STREAM_CONTEXT",
    107004: "MODEL_CONTEXT",
    107005: "STREAM_MODEL",
    107006: "EVENT_TIMESTAMP_INVALID",
    107007: "EVENT_TIMESTAMP_REVERSAL",
    107008: "ADDR_UNALIGNED",
    107011: "STREAM_SUBSCRIBE",
    107012: "THREAD_SUBSCRIBE",
    107015: "STREAM_NO_CB_REG",
    107016: "INVALID_MEMORY_TYPE",
    107017: "INVALID_HANDLE",
    107018: "INVALID_MALLOC_TYPE",
    107019: "WAIT_TIMEOUT",
    107020: "TASK_TIMEOUT",
    207000: "FEATURE_NOT_SUPPORT",
    207001: "MEMORY_ALLOCATION",
    207002: "MEMORY_FREE",
    207003: "AICORE_OVER_FLOW",
    207004: "NO_DEVICE",
    207005: "RESOURCE_ALLOC_FAIL",
    207006: "NO_PERMISSION",
    207007: "NO_EVENT",
    207008: "NO_STREAM",
    207010: "NO_MODEL_RESOURCE",
    207015: "REPEATED_INIT",
    207018: "DEVICE_OOM",
    507000: "INTERNAL_ERROR",
    507001: "TS_ERROR",
    507002: "STREAM_TASK_FULL",
    507004: "STREAM_NOT_COMPLETE",
    507006: "EVENT_NOT_COMPLETE",
    507007: "CONTEXT_RELEASE_ERROR",
    507008: "SOC_VERSION",
    507009: "TASK_TYPE_NOT_SUPPORT",
    507010: "LOST_HEARTBEAT",
    507011: "MODEL_EXECUTE",
    507012: "REPORT_TIMEOUT",
    507014: "AICORE_TIMEOUT",
    507015: "AICORE_EXCEPTION",
    507017: "AICPU_TIMEOUT",
    507018: "AICPU_EXCEPTION",
    507033: "DEV_SETUP_ERROR",
    507046: "STREAM_SYNC_TIMEOUT",
    507047: "EVENT_SYNC_TIMEOUT",
    507053: "DEVICE_MEM_ERROR",
    507899: "DRV_INTERNAL",
    507901: "SOCKET_CLOSE",
    145000: "PARAM_INVALID",
    145001: "EXEC_NOT_INIT",
    145002: "EXEC_MODEL_PATH_INVALID",
    145003: "EXEC_MODEL_ID_INVALID",
    145006: "EXEC_MODEL_DATA_SIZE_INVALID",
    145007: "MODEL_ADDR_INVALID",
    145008: "QUEUE_ID_INVALID",
    145009: "LOAD_MODEL_REPEATED",
    145011: "DYNAMIC_INPUT_ADDR_INVALID",
    145012: "DYNAMIC_INPUT_LENGTH_INVALID",
    145013: "DYNAMIC_BATCH_SIZE_INVALID",
    145014: "AIPP_BATCH_EMPTY",
    145015: "AIPP_NOT_EXIST",
    145016: "AIPP_MODE_INVALID",
    145020: "FORMAT_INVALID",
    145021: "SHAPE_INVALID",
    145022: "DATATYPE_INVALID",
    245000: "MEMORY_ALLOCATION",
    545000: "INTERNAL_ERROR",
    545001: "LOAD_MODEL",
    545002: "LOAD_MODEL_PARTITION",
    545003: "LOAD_WEIGHT_PARTITION",
    545004: "LOAD_TASK_PARTITION",
    545005: "LOAD_KERNEL_PARTITION",
    545006: "RELEASE_MODEL_DATA",
    545008: "GET_TENSOR_INFO",
    545009: "UNLOAD_MODEL",
    545601: "MODEL_EXECUTE_TIMEOUT",
}
NAMES = {code: f"ACL_ERROR_{_PREFIX.get(str(code)[:3], '')}{words}" for code, words in _WORDS.items()}

_MEMORY = "Free device memory (npu-smi info shows who holds it), or take a smaller batch."
_OTHER_CHIP = "Convert the model for this very chip{soc}, with a CANN no newer than this host's."
_DAMAGED = "Copy the OM again and compare the sha256, or convert it again."
_REBUILT = "Convert the model again with the CANN of this host."
ACL_CURES = {
    100000: "Convert the model again with the CANN of this host; if it stays, this version of pyACL differs.",
    100001: "Open the session again in a fresh process.",
    100037: "Let nobody else call acl.finalize in this process.",
    107001: "Give a device that npu-smi info lists and this process may see (ASCEND_RT_VISIBLE_DEVICES).",
    107002: "This thread has no context: set_device or set_context must come first; open the session again.",
    107003: "Let no other library destroy or change the context of this process.",
    107020: "Look at npu-smi info for a busy or hung device, then run again.",
    145000: "The buffers do not fit the model: convert it again, and check batch size and input of the OM.",
    145002: "Check the path and its permissions.",
    145003: "The model is not loaded any more; open the session again.",
    145006: _DAMAGED,
    145013: "Take a batch size that the OM was converted for (--dynamic_batch_size).",
    200002: "Give a device that npu-smi info lists.",
    200000: _MEMORY,
    207001: _MEMORY,
    207018: _MEMORY,
    245000: _MEMORY,
    207002: _MEMORY,
    207004: "No device answers: check the driver with npu-smi info.",
    207005: "Close other processes on the device: at most 64 may share one.",
    207006: "Add the user to the group of the driver (HwHiAiUser), and pass /dev/davinci* into the container.",
    207007: "Close other processes on the device, which hold its events.",
    207008: "Close other processes on the device, which hold its streams.",
    500000: "Open the session in a fresh process; the device log is under $HOME/ascend/log.",
    500002: _OTHER_CHIP,
    507008: _OTHER_CHIP,
    507009: "A virtual NPU may lack what the model needs: use the whole device, or convert for its template.",
    507010: "The device stopped answering: look at npu-smi info, reset the device, run again.",
    507011: "The model failed on the device: convert it again for this chip, or look at $HOME/ascend/log.",
    507014: "An operator hung: look at npu-smi info and $HOME/ascend/log, then run again.",
    507015: "An operator crashed: convert the model again for this chip, or look at $HOME/ascend/log.",
    507033: "The device cannot be opened: check driver (npu-smi info), /dev/davinci* and the group HwHiAiUser.",
    507046: "The device did not finish in time: look at npu-smi info, then run again.",
    507053: "The device's memory is faulty: look at npu-smi info -t ecc.",
    507899: "The driver failed: look at npu-smi info and dmesg.",
    545001: _OTHER_CHIP,
    545002: _DAMAGED,
    545003: _DAMAGED,
    545004: _REBUILT,
    545005: _REBUILT,
    545601: "The device did not finish in time: look at npu-smi info, then run again.",
}
_BY_KIND = {
    "1": "Check that pyACL, driver and OM are of one CANN version.",
    "2": "Close other processes on the device, or take a smaller batch.",
    "3": "Free space on the disk.",
    "5": "Look at npu-smi info and at the log under $HOME/ascend/log.",
}


def name_of(code: int) -> str:
    """The name that CANN's headers give a code; ``"unknown code"`` for one that they did not have."""
    return NAMES.get(code, "unknown code")


def cure_for(code: int, soc: str | None = None) -> str:
    """What to do about a code, in one sentence; `soc` is the chip of this host, where it is known."""
    text = ACL_CURES.get(code) or _BY_KIND.get(str(code)[0], _BY_KIND["5"])
    return text.replace("{soc}", f" (--soc_version={soc})" if soc else "")
