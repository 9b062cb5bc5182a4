"""The types of tensors in Triton's words and in numpy's (Triton: model_configuration.md, "Datatypes")."""

import numpy as np

NUMPY_TYPES = {
    "FP16": np.float16,
    "FP32": np.float32,
    "FP64": np.float64,
    "UINT8": np.uint8,
    "UINT16": np.uint16,
    "INT8": np.int8,
    "INT32": np.int32,
    "INT64": np.int64,
}
