/** Native access, all of it: the only module that binds a C function. */
module dev.panamba.bindings {
    exports dev.panamba.bindings;
    exports dev.panamba.bindings.kernels;
}
