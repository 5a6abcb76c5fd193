/* Types and modules of Python that end quietly (quiet.c), by their names. Who is not here counts as loud. */
#ifndef SANDRUN_QUIETNAMES_H
#define SANDRUN_QUIETNAMES_H

/* Of Python itself. A generator is not among them, since it may wait in a `finally`, nor are files. */
static const char *const quiet_types[] = {
    "PyBaseObject_Type", "PyDict_Type", "PyList_Type", "PyTuple_Type", "PySet_Type", "PyFrozenSet_Type", "PyLong_Type",
    "PyFloat_Type", "PyComplex_Type", "PyUnicode_Type", "PyBytes_Type", "PyByteArray_Type", "PyFrame_Type", "PyTraceBack_Type",
    "PyMethodDescr_Type", "PyClassMethodDescr_Type", "PyGetSetDescr_Type", "PyMemberDescr_Type", "PyWrapperDescr_Type"};
/* Python takes what is nested in those above apart in turn, but these one within the other, and has no stack left for
 * a hundred thousand: with more than so many it ends as always, whatever that comes to. */
enum { NESTED_MOST = 30000 };
static const char *const nested_types[] = {
    "PyCell_Type", "PyCode_Type", "PyFunction_Type", "PyMethod_Type", "PyCFunction_Type", "PyCMethod_Type", "PyInstanceMethod_Type",
    "PyClassMethod_Type", "PyStaticMethod_Type", "PyProperty_Type", "PySuper_Type", "PySlice_Type", "_PyMethodWrapper_Type",
    "PyDictProxy_Type", "PyDictKeys_Type", "PyDictValues_Type", "PyDictItems_Type", "PyDictIterKey_Type", "PyDictIterValue_Type",
    "PyDictIterItem_Type", "PyListIter_Type", "PyListRevIter_Type", "PyTupleIter_Type", "PySetIter_Type", "PySeqIter_Type",
    "PyCallIter_Type", "PyUnicodeIter_Type", "PyBytesIter_Type", "PyEnum_Type", "PyZip_Type", "PyMap_Type", "PyFilter_Type",
    "PyReversed_Type", "_PyNamespace_Type", "Py_GenericAliasType", "PyODict_Type", "PyODictKeys_Type", "PyODictValues_Type",
    "PyODictItems_Type", "PyODictIter_Type", "PyContext_Type", "PyContextVar_Type", "PyContextToken_Type"};

/* Compiled modules that open nothing and call nobody at the end of their objects, by the names of
 * the modules and by how the names of their types begin. */
static const char *const quiet_modules[] = {
    "math", "cmath", "time", "errno", "atexit", "itertools", "binascii", "unicodedata", "_json", "_random", "_bisect", "_heapq",
    "_collections", "_functools", "_operator", "_struct", "_datetime", "_sre", "_string", "_statistics", "_opcode", "_csv",
    "_typing", "_locale", "_contextvars", "_decimal", "_md5", "_sha1", "_sha256", "_sha512", "_sha2", "_sha3", "_blake2"};
static const char *const quiet_names[] = {"itertools.", "collections.", "_collections.", "functools.", "operator.", "datetime.",
                                          "re.", "_sre.", "_json.", "_random.", "_struct.", "_abc.", "decimal.", "_csv.",
                                          "_thread.RLock"};

#endif
