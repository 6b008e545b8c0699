// Package secrets encrypts the secret values of the datastore and hides secret
// texts where they must not be seen. It knows keys, ciphertext and text; it does
// not know what the values are for, nor where they are stored.
package secrets
