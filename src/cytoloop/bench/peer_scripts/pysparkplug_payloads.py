"""Payloads through pysparkplug: what it reads in bytes of ours, and the bytes it makes of values.

Argument: a JSON document with the path of a file, which holds {"read": [bytes], "write": [[[name, type, value, at]]]};
bytes stand in base64. Prints {"read": [[[name, type, value, at]]], "write": [bytes]}. Dates are milliseconds.
"""

import base64
import datetime
import json
import sys

import pysparkplug

BINARY = (pysparkplug.DataType.BYTES, pysparkplug.DataType.FILE)
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
TICK = datetime.timedelta(milliseconds=1)


def plain(value):
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, datetime.datetime):
        return round((value - EPOCH) / TICK)
    return [plain(each) for each in value] if isinstance(value, tuple) else value


def meant(kind, value):
    if kind in BINARY:
        return base64.b64decode(value)
    if kind == pysparkplug.DataType.DATETIME:
        return EPOCH + value * TICK
    if kind == pysparkplug.DataType.DATETIME_ARRAY:
        return tuple(EPOCH + each * TICK for each in value)
    return tuple(value) if isinstance(value, list) else value


def read(data):
    found = pysparkplug.NData.decode(base64.b64decode(data))
    return [[each.name, int(each.datatype), plain(each.value), each.timestamp] for each in found.metrics]


def write(rows):
    metrics = tuple(
        pysparkplug.Metric(
            timestamp=at, name=name, datatype=pysparkplug.DataType(kind), value=meant(pysparkplug.DataType(kind), value)
        )
        for name, kind, value, at in rows
    )
    payload = pysparkplug.NData(timestamp=7, seq=3, metrics=metrics)
    return base64.b64encode(payload.encode(include_dtypes=True)).decode()


with open(json.loads(sys.argv[1])["file"], encoding="utf-8") as file:
    asked = json.load(file)
print(json.dumps({"read": [read(each) for each in asked["read"]], "write": [write(each) for each in asked["write"]]}))
