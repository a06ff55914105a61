"""Fields: how the value of one is had, with as little around its resolver as is sure to be equal.

- *attribute*: nothing stands before the field and it has no resolver: the object's attribute.
- *direct*: nothing stands before the field's resolver: the function itself.
- *whole*: anything else, such as permissions, field extensions, exception handlers, introspection
  and fields of other origin: the field's `resolve` as the schema has it.
"""

from inspect import CO_COROUTINE
from types import CodeType, FunctionType
from typing import Any

from strawberry import Schema
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.types.field import StrawberryField
from strawberry.types.fields.resolver import StrawberryResolver

from .abstract import DEFINITION
from .arguments import raw_arguments, resolver_arguments
from .slots import ResolveInfo, Slot

# The functions that Strawberry gives fields as `resolve`. Whoever replaces one is not passed over.
_OWN = frozenset(
    code for code in GraphQLCoreConverter.from_resolver.__code__.co_consts if type(code) is CodeType
)


def is_coroutine_function(function: Any) -> bool:
    """Whether calling it gives a coroutine, whatever its arguments are."""
    function = getattr(function, "__func__", function)
    return isinstance(function, FunctionType) and bool(function.__code__.co_flags & CO_COROUTINE)


class FieldCode:
    """The lines which get one field's value into `v`; `is_awaited` if that is a coroutine."""

    def __init__(self, slot: Slot, n: int, where: str, strawberry: Schema | None) -> None:
        self._slot, self._n, self._where = slot, n, where
        self.is_awaited = False
        self.names: dict[str, Any] = {f"F{n}": slot}
        # Names of attributes and parameters do not enter the source. What stands for them there
        # cannot be mistaken for a name of GraphQL's, which has no such letters.
        self.foreign: dict[str, str] = {}
        source: Any = slot.definition.extensions.get(DEFINITION)
        if strawberry is None or not is_bare(source, slot.definition.resolve, strawberry):
            self.lines = self._whole()
        elif source.base_resolver is None:
            self.lines = self._attribute(source)
        else:
            self.lines = self._direct(source, source.base_resolver, strawberry)

    def _attribute(self, source: StrawberryField) -> list[str]:
        n, default = self._n, source.default_resolver
        if default is getattr:
            self.foreign[f"λ{n}"] = source.python_name
            return [f"v{n} = o.λ{n}"]
        self.names[f"f{n}"], self.names[f"a{n}"] = default, source.python_name
        return [f"v{n} = f{n}(o, a{n})"]

    def _direct(
        self, source: StrawberryField, resolver: StrawberryResolver[Any], strawberry: Schema
    ) -> list[str]:
        n, names = self._n, self.names
        names[f"f{n}"] = resolver.wrapped_func
        self.is_awaited = is_coroutine_function(resolver.wrapped_func)
        arguments = ["o"] if resolver.self_parameter else []
        lines = []
        for kind, parameter in (
            ("λparent", resolver.parent_parameter),
            ("λroot", resolver.root_parameter),
        ):
            if parameter:
                self.foreign[f"{kind}{n}"] = parameter.name
                arguments.append(f"{kind}{n}=o")
        info = "None"
        if resolver.info_parameter:
            names["Info"], names["ResolveInfo"] = strawberry.config.info_class, ResolveInfo
            names[f"s{n}"] = source
            info = "i"
            lines.append(f"i = Info(_raw_info=ResolveInfo(run, F{n}, {self._where}), _field=s{n})")
            self.foreign[f"λinfo{n}"] = resolver.info_parameter.name
            arguments.append(f"λinfo{n}=i")
        if binder := resolver_arguments(self._slot, source, strawberry):
            names[f"b{n}"] = binder
            arguments.append(f"**b{n}(run, {info})")
        return [*lines, f"v{n} = f{n}({', '.join(arguments)})"]

    def _whole(self) -> list[str]:
        n, names, resolve = self._n, self.names, self._slot.definition.resolve
        names["ResolveInfo"] = ResolveInfo
        function = "run.field_resolver"
        if resolve is not None:
            function = f"f{n}"
            names[function] = resolve
            self.is_awaited = is_coroutine_function(resolve)
        arguments = ["o", f"ResolveInfo(run, F{n}, {self._where})"]
        if binder := raw_arguments(self._slot):
            names[f"b{n}"] = binder
            arguments.append(f"**b{n}(run, None)")
        return [f"v{n} = {function}({', '.join(arguments)})"]


def is_bare(source: Any, resolve: Any, strawberry: Schema) -> bool:
    """Whether nothing stands before a field's resolver or attribute."""
    return (
        isinstance(source, StrawberryField)
        and getattr(resolve, "__code__", None) in _OWN
        and type(source).get_result is StrawberryField.get_result
        and not source.extensions
        and not strawberry.schema_converter._get_field_exception_handlers(source)
        and (source.base_resolver is None or _is_plain(source.base_resolver))
    )


def _is_plain(resolver: StrawberryResolver[Any]) -> bool:
    function = resolver.wrapped_func
    return (
        type(resolver).__call__ is StrawberryResolver.__call__
        and callable(function)
        # Strawberry awaits whatever else calls itself asynchronous, if it turns out awaitable.
        and (not resolver.is_async or is_coroutine_function(function))
    )
