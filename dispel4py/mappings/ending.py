"""The end of a process: of its channels, of its instances, and of its PEs."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

from dispel4py.core import GenericPE
from dispel4py.instance import Instance
from dispel4py.lineage import Key
from dispel4py.mappings.channel import Channel
from dispel4py.mappings.journal import Journal, call_noted
from dispel4py.mappings.sources import Sources
from dispel4py.mappings.wire import END
from dispel4py.plan import Plan
from dispel4py.stop import Stop

_log = logging.getLogger(__name__)


class Ending:
    """Finishes the instances of a process when all their channels have ended.

    Parameters
    ----------
    plan : Plan
    instances : mapping
        The instances of this process, by index.
    sources : Sources
        The sources of this process.
    channels : mapping
        The channels that leave this process, by name.
    queues : mapping
        The batches that wait for each instance.
    journal : Journal, optional
        Notes the names of sent items.
    """

    def __init__(
        self,
        plan: Plan,
        instances: Mapping[int, Instance],
        sources: Sources,
        channels: Mapping[Key, Channel],
        queues: Mapping[int, deque[Any]],
        journal: Journal | None,
    ) -> None:
        self._plan, self._instances, self._channels = plan, instances, channels
        self._sources, self._queues, self._journal = sources, queues, journal

    def end_channels_of(self, process: int) -> None:
        """End all channels from and to a process that has ended."""
        for channel in self._channels.values():
            if channel.destination == process:
                channel.stop_sending()
        for index, instance in self._instances.items():
            for key in instance.open_channels:
                if key and self._plan.instances[key.source].process == process:
                    self._queues[index].append((None, END, key))

    def end_channel(self, instance: Instance, key: Key | None) -> None:
        """Note that a channel into an instance has ended; this may be noted twice.

        Parameters
        ----------
        instance : Instance
        key : Key or None
            The channel; None for inputs of the run.
        """
        instance.open_channels.discard(key)
        self.finish_if_ended(instance)

    def finish_if_ended(self, instance: Instance, sources_too: bool = True) -> None:
        """Finish an instance if all its channels have ended.

        Parameters
        ----------
        instance : Instance
        sources_too : bool
            Whether to finish also a source that may be called again.
        """
        if instance.finished or instance.open_channels:
            return
        if sources_too or not self._sources.has(instance):
            self.finish(instance)

    def finish(self, instance: Instance) -> None:
        """Finish one instance, and end the streams of its items."""
        call_noted(self._journal, instance.finish, instance.spec.index, 1)
        for channel in self._channels.values():
            if channel.key.source == instance.spec.index:
                channel.end()
        for route in self._plan.routes:
            if route.source_pe == instance.spec.pe_index:
                for index in route.destinations:
                    if index in self._instances:
                        key = Key(instance.spec.index, route.index, index)
                        self.end_channel(self._instances[index], key)


def has_teardown(pe: GenericPE) -> bool:
    """Return whether a PE has a method ``teardown`` of its own."""
    return type(pe).teardown is not GenericPE.teardown or "teardown" in vars(pe)


def tear_down(
    instances: Iterable[Instance], pending: list[Any], has_failed: bool
) -> None:
    """Call the method ``teardown`` of all PEs that have started, the last one first.

    Parameters
    ----------
    instances : iterable of Instance
    pending : list
        The errors of the run so far; it is cleared.
    has_failed : bool
        Whether the run has failed before, so that errors are only logged.

    Raises
    ------
    Stop
        If a PE failed in this method.
    KeyboardInterrupt
        If the user interrupted a PE in this method; the other PEs were torn down.
    """
    stops: list[Stop] = []
    interrupts: list[KeyboardInterrupt] = []
    for instance in reversed(list(instances)):
        pending.clear()
        try:
            instance.tear_down()
        except Stop as error:
            stops.append(error)
        except KeyboardInterrupt as error:
            interrupts.append(error)
    for stop in stops if has_failed or interrupts else stops[1:]:
        _log.error("%s", stop.failure)
    if interrupts:
        raise interrupts[0]
    if stops and not has_failed:
        raise stops[0]
