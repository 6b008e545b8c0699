"""The part of StackStorm that sensors are written against."""
