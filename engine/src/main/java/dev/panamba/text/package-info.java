/**
 * From text to tokens and back. A {@link dev.panamba.text.Tokenizer} is bytes or any {@code tokenizer.json} that is known to be
 * harmless; a
 * {@link dev.panamba.text.Corpus} streams documents out of a file, a folder or a zip; a {@link dev.panamba.text.TokenFile} is a
 * corpus in tokens, written once and read in blocks, so that it may be larger than memory.
 */
package dev.panamba.text;
