/**
 * The layers of the six families. A {@link dev.panamba.nn.Layer} is a record of sizes and a name; it declares its parameters
 * and emits its ops into the graph of a {@link dev.panamba.nn.Pass}, and owns nothing.
 */
package dev.panamba.nn;
