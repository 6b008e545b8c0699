package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"gopkg.in/yaml.v3"

	"petrel/engine/datastore"
	"petrel/engine/pipeline"
	"petrel/engine/secrets"
)

func (a *app) keyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "key", Short: "Read and write items of the datastore",
		Long: `Items of the datastore are texts under a name, of the system or of one user.
Templates find them as st2kv.system.NAME and st2kv.user.NAME, Python actions with
action_service. While a server runs on the store, these commands ask it (at
http.listen); otherwise they open the store themselves.`,
		Args: func(_ *cobra.Command, args []string) error { return noSuchCommand(args) },
	}
	cmd.AddCommand(a.keyGetCommand(), a.keySetCommand(), a.keyListCommand(), a.keyDeleteCommand(), a.keyLoadCommand(),
		a.keyRotateCommand(), a.keyGenerateCommand())
	return cmd
}

// keyOwner is the part of flags that says whose an item is.
type keyOwner struct{ scope, user string }

func (o *keyOwner) flags(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&o.scope, "scope", "s", "", "system (the default) or user")
	cmd.Flags().StringVarP(&o.user, "user", "u", "", "user whose items are meant; implies --scope user")
}

func (o *keyOwner) resolve() (datastore.Scope, string, error) {
	if o.scope == "" && o.user != "" {
		o.scope = string(datastore.User)
	}
	scope, err := datastore.ParseScope(o.scope)
	switch {
	case err != nil:
		return "", "", usageError{err}
	case scope == datastore.User && o.user == "":
		return scope, pipeline.SystemUser, nil
	case scope != datastore.User && o.user != "":
		return "", "", usageError{fmt.Errorf("--user goes with --scope user, not with %s", scope)}
	}
	return scope, o.user, nil
}

func (o *keyOwner) key(name string) (datastore.Key, error) {
	scope, user, err := o.resolve()
	return datastore.Key{Scope: scope, User: user, Name: name}, err
}

func (a *app) keyGetCommand() *cobra.Command {
	var o keyOwner
	var decrypt, asJSON bool
	cmd := &cobra.Command{
		Use:   "get NAME",
		Short: "Print the value of an item",
		Args:  exactArgs(1, "the name of an item"),
		RunE: func(cmd *cobra.Command, args []string) error {
			k, err := o.key(args[0])
			if err != nil {
				return err
			}
			return a.withItems(cmd.Context(), func(items itemStore) error {
				item, err := items.get(cmd.Context(), k, decrypt)
				if err != nil {
					return err
				}
				if asJSON {
					return a.printJSON(item)
				}
				_, err = fmt.Fprintln(a.out, item.Value)
				return err
			})
		},
	}
	o.flags(cmd)
	cmd.Flags().BoolVarP(&decrypt, "decrypt", "d", false, "print the plain text of a secret item")
	cmd.Flags().BoolVarP(&asJSON, "json", "j", false, "print the whole item as JSON")
	return cmd
}

func (a *app) keySetCommand() *cobra.Command {
	var o keyOwner
	var s datastore.Setting
	var ttl int
	cmd := &cobra.Command{
		Use:   "set NAME VALUE",
		Short: "Store an item, in the place of the one that has its name",
		Long: `Stores an item. With - for VALUE it is read from standard input, to its end: so a
secret need not stand in the history of the shell.

  pass show db | petrel key set db_password - --encrypt`,
		Args: exactArgs(2, "the name of an item and its value"),
		RunE: func(cmd *cobra.Command, args []string) error {
			var err error
			if s.Key, err = o.key(args[0]); err != nil {
				return err
			}
			if cmd.Flags().Changed("ttl") && ttl < 1 {
				return usageError{errors.New("--ttl is a number of seconds, at least 1")}
			}
			s.Value, s.TTL = args[1], time.Duration(ttl)*time.Second
			if args[1] == "-" {
				if s.Value, err = readText(a.in); err != nil {
					return err
				}
			}
			return a.withItems(cmd.Context(), func(items itemStore) error {
				_, err := items.set(cmd.Context(), s)
				if err == nil {
					_, err = fmt.Fprintf(a.out, "%s is stored\n", s.Name)
				}
				return err
			})
		},
	}
	o.flags(cmd)
	cmd.Flags().BoolVarP(&s.Secret, "encrypt", "e", false, "keep the value secret: it is stored encrypted")
	cmd.Flags().BoolVar(&s.Encrypted, "encrypted", false, "the value is ciphertext already, of a key that Petrel has")
	cmd.Flags().IntVarP(&ttl, "ttl", "l", 0, "seconds after which the item is gone (default: never)")
	cmd.Flags().StringVar(&s.Description, "description", "", "what the item is for")
	return cmd
}

// readText reads a value from standard input, less one line break at its end.
func readText(r io.Reader) (string, error) {
	body, err := io.ReadAll(io.LimitReader(r, datastore.MaxValue+2))
	if err != nil {
		return "", fmt.Errorf("read the value: %w", err)
	}
	return strings.TrimSuffix(strings.TrimSuffix(string(body), "\n"), "\r"), nil
}

func (a *app) keyListCommand() *cobra.Command {
	var o keyOwner
	var f datastore.Filter
	var decrypt, asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List items; secret values are not shown unless asked for",
		Args:  exactArgs(0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if f.Scope, f.User, err = o.resolve(); err != nil {
				return err
			}
			return a.withItems(cmd.Context(), func(items itemStore) error {
				list, err := items.list(cmd.Context(), f, decrypt)
				if err != nil {
					return err
				}
				if asJSON {
					return a.printJSON(list)
				}
				return a.printItems(list)
			})
		},
	}
	o.flags(cmd)
	cmd.Flags().Lookup("scope").Usage = "system (the default), user or all"
	cmd.Flags().StringVarP(&f.Prefix, "prefix", "p", "", "only items whose name begins with this")
	cmd.Flags().IntVarP(&f.Limit, "number", "n", 0, "how many at most (default: all)")
	cmd.Flags().BoolVarP(&decrypt, "decrypt", "d", false, "show the plain text of secret items")
	cmd.Flags().BoolVarP(&asJSON, "json", "j", false, "print JSON, which `petrel key load` reads")
	return cmd
}

func (a *app) printItems(list []item) error {
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tVALUE\tSECRET\tSCOPE\tUSER\tEXPIRES")
	for _, i := range list {
		value := i.Value
		if i.Encrypted {
			value = secrets.Masked
		}
		fmt.Fprintf(w, "%s\t%s\t%t\t%s\t%s\t%s\n", i.Name, shorten(value), i.Secret, strings.TrimPrefix(i.Scope, "st2kv."), i.User, i.Expires)
	}
	return w.Flush()
}

// shorten makes a value fit a line of a table.
func shorten(value string) string {
	const width = 60
	line := strings.Map(func(r rune) rune {
		if r < ' ' {
			return ' '
		}
		return r
	}, value)
	if runes := []rune(line); len(runes) > width {
		return string(runes[:width-1]) + "…"
	}
	return line
}

func (a *app) keyDeleteCommand() *cobra.Command {
	var o keyOwner
	cmd := &cobra.Command{
		Use:   "delete NAME...",
		Short: "Remove items",
		Args:  someArgs("the name of an item"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withItems(cmd.Context(), func(items itemStore) error {
				for _, name := range args {
					k, err := o.key(name)
					if err != nil {
						return err
					}
					if err := items.delete(cmd.Context(), k); err != nil {
						return err
					}
					fmt.Fprintf(a.out, "%s is removed\n", name)
				}
				return nil
			})
		},
	}
	o.flags(cmd)
	return cmd
}

func (a *app) keyLoadCommand() *cobra.Command {
	var convert bool
	cmd := &cobra.Command{
		Use:   "load FILE",
		Short: "Store the items of a JSON or YAML file, such as StackStorm's `st2 key list -j` writes",
		Long: `Stores items from a file: a list, or one item, of
{name, value, scope, user, secret, encrypted, ttl}. Items with encrypted: true hold
ciphertext; for StackStorm's, name its key file in secrets.stackstorm_key_file.
Nothing is stored when one of them cannot be read.

  st2 key list --scope=all -n -1 -j > keys.json      # where StackStorm runs
  PETREL_SECRETS__STACKSTORM_KEY_FILE=datastore_key.json petrel key load keys.json
  petrel key rotate                                  # from now on with Petrel's key`,
		Args: exactArgs(1, "the file to read"),
		RunE: func(cmd *cobra.Command, args []string) error {
			settings, err := readItems(args[0], convert)
			if err != nil {
				return err
			}
			return a.withItems(cmd.Context(), func(items itemStore) error {
				for i, s := range settings {
					if _, err := items.set(cmd.Context(), s); err != nil {
						return fmt.Errorf("item %d of %d, %s: %w (the ones before are stored)", i+1, len(settings), s.Name, err)
					}
				}
				_, err := fmt.Fprintf(a.out, "%s stored\n", count(len(settings), "item"))
				return err
			})
		},
	}
	cmd.Flags().BoolVar(&convert, "convert", false, "store values that are no text as JSON")
	return cmd
}

// loaded is one item of a file.
type loaded struct {
	Name        string  `yaml:"name"`
	Value       any     `yaml:"value"`
	Scope       string  `yaml:"scope"`
	User        string  `yaml:"user"`
	Description string  `yaml:"description"`
	Secret      bool    `yaml:"secret"`
	Encrypted   bool    `yaml:"encrypted"`
	TTL         float64 `yaml:"ttl"`
	Expires     string  `yaml:"expire_timestamp"`
}

// readItems reads a file of items; YAML takes in JSON.
func readItems(path string, convert bool) ([]datastore.Setting, error) {
	body, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var list []loaded
	if err := yaml.Unmarshal(body, &list); err != nil {
		var one loaded
		if yaml.Unmarshal(body, &one) != nil || one.Name == "" {
			return nil, fmt.Errorf("%s holds no list of items: %w", path, err)
		}
		list = []loaded{one}
	}
	settings := make([]datastore.Setting, len(list))
	for i, l := range list {
		if settings[i], err = l.setting(convert); err != nil {
			return nil, fmt.Errorf("%s: item %d, %q: %w", path, i+1, l.Name, err)
		}
	}
	return settings, nil
}

func (l loaded) setting(convert bool) (datastore.Setting, error) {
	o := keyOwner{l.Scope, l.User}
	k, err := o.key(l.Name)
	if err != nil {
		return datastore.Setting{}, err
	}
	s := datastore.Setting{Key: k, Description: l.Description, Secret: l.Secret, Encrypted: l.Encrypted, TTL: time.Duration(l.TTL * float64(time.Second))}
	if l.Expires != "" && s.TTL == 0 {
		at, err := time.Parse(time.RFC3339, l.Expires)
		if err != nil {
			return s, fmt.Errorf("expire_timestamp: %w", err)
		}
		if s.TTL = time.Until(at); s.TTL <= 0 {
			return s, fmt.Errorf("it has expired, at %s", l.Expires)
		}
	}
	switch v := l.Value.(type) {
	case string:
		s.Value = v
	case nil:
		return s, errors.New("value is missing")
	default:
		if !convert {
			return s, fmt.Errorf("value is no text but %v; with --convert it is stored as JSON", v)
		}
		text, err := json.Marshal(v)
		if err != nil {
			return s, fmt.Errorf("value: %w", err)
		}
		s.Value = string(text)
	}
	return s, nil
}

func (a *app) keyRotateCommand() *cobra.Command {
	var forget bool
	cmd := &cobra.Command{
		Use:   "rotate",
		Short: "Make a new key and encrypt all secret items with it",
		Long: `Adds a key to the key file (secrets.key_file) and encrypts all secret items with
it, also those that StackStorm encrypted. The older keys stay in the file, so that
backups can be read; --forget removes them.`,
		Args: exactArgs(0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withItems(cmd.Context(), func(items itemStore) error {
				r, err := items.rotate(cmd.Context(), forget)
				if err != nil {
					return err
				}
				_, err = fmt.Fprintf(a.out, "%s encrypted with the new key %s; %s removed\n", count(r.Encrypted, "item"), r.Key, count(r.Forgotten, "old key"))
				return err
			})
		},
	}
	cmd.Flags().BoolVar(&forget, "forget", false, "remove the older keys when everything is encrypted with the new one")
	return cmd
}

func (a *app) keyGenerateCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "generate FILE",
		Short: "Make a key file, for processes that share a store",
		Args:  exactArgs(1, "the file to write"),
		RunE: func(_ *cobra.Command, args []string) error {
			path, err := filepath.Abs(args[0])
			if err == nil {
				err = secrets.Generate(path)
			}
			if err == nil {
				_, err = fmt.Fprintf(a.out, "%s holds a new key; name it in secrets.key_file of every process, and keep a copy\n", path)
			}
			return err
		},
	}
}

// withItems calls f with the datastore, wherever it can be had.
func (a *app) withItems(ctx context.Context, f func(itemStore) error) error {
	items, done, err := a.openItems(ctx)
	if err != nil {
		return err
	}
	return errors.Join(f(items), done())
}
